"""Draws the road of orders through the device: picture.py WAVE.vcd PICTURE.png"""
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

# What is drawn: the signal's name in the top module, and its caption.
SIGNALS = [
    ("frame_valid", "frame: word"),
    ("frame_last", "frame: last word"),
    ("asked", "parser: order there"),
    ("good", "parser: frame good"),
    ("commits", "gate: given its place"),
    ("started", "core: takes it"),
    ("stepped", "core: first step"),
    ("event_valid", "mirror: event"),
    ("report_valid", "report: word"),
    ("report_last", "report: last word"),
]


def read(path):
    """The changes of every one-bit signal of the top module, by name."""
    codes, scope, changes, now = {}, [], {}, 0
    for line in open(path, encoding="ascii").read().splitlines():
        part = line.split()
        if not part:
            continue
        if part[0] == "$scope":
            scope.append(part[2])
        elif part[0] == "$upscope":
            scope.pop()
        elif part[0] == "$var" and part[2] == "1" and len(scope) <= 2:
            codes.setdefault(part[3], []).append(part[4])
        elif line[0] == "#":
            now = int(line[1:])
        elif line[0] in "01" and line[1:] in codes:
            for name in codes[line[1:]]:
                changes.setdefault(name, []).append((now // 2, int(line[0])))
    return changes, now // 2


def level(changes, cycle):
    value = 0
    for at, new in changes:
        if at > cycle:
            break
        value = new
    return value


def main():
    changes, end = read(sys.argv[1])
    last = next(at for at, value in changes["frame_last"] if value)
    first, stop = last - 16, min(last + 26, end)
    figure, axes = plt.subplots(figsize=(12, 5))
    for row, (name, caption) in enumerate(SIGNALS):
        base = len(SIGNALS) - row
        cycles = list(range(first, stop))
        values = [base + 0.7 * level(changes.get(name, []), cycle) for cycle in cycles]
        axes.step([cycle - last for cycle in cycles], values, where="post", linewidth=1.6)
        axes.text(first - last - 0.5, base + 0.2, caption, ha="right", fontsize=9)
    axes.axvline(0, color="grey", linestyle=":")
    axes.axvline(10, color="grey", linestyle=":")
    axes.set_yticks([])
    axes.set_xlabel("cycles from the order's last word; its report begins at 10 at the latest")
    axes.set_xlim(first - last, stop - last)
    figure.tight_layout()
    figure.savefig(sys.argv[2], dpi=110)


main()
