//! For tests: data that lies beside the checkout and is not part of it; absent, tests skip.

use std::fs;
use std::path::PathBuf;

/// A path below the shared folder; `None`, with a word to the reader, where it is absent.
pub(crate) fn path(below: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    let root = std::env::var_os("WIREMATCH_SHARED").map_or_else(beside, PathBuf::from);
    let path = root.join(below);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// Every packet of every capture file in a shared folder.
pub(crate) fn packets(folder: &str) -> Vec<Vec<u8>> {
    let Some(folder) = path(folder) else { return Vec::new() };
    let mut packets = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        if path.extension().is_none_or(|extension| extension != "pcap") {
            continue;
        }
        let file = fs::File::open(&path).expect("the capture is readable");
        let mut reader = pcap_file::pcap::PcapReader::new(file).expect("a capture");
        while let Some(packet) = reader.next_packet() {
            packets.push(packet.expect("a packet").data.into_owned());
        }
    }
    packets
}

/// The bytes after the IPv4 header, whole or anonymised, of a frame with or without a VLAN tag.
pub(crate) fn ip_payload(frame: &[u8]) -> Vec<u8> {
    let header = if frame[12..14] == [0x81, 0x00] { 18 } else { 14 };
    let packet = &frame[header..];
    let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    packet[20..length].to_vec()
}

/// A message's table in a fact sheet: its heading and each field's name, offset and size.
pub(crate) struct Sheet {
    pub(crate) heading: String,
    pub(crate) fields: Vec<(String, usize, usize)>,
}

/// The tables of a fact sheet, in the order in which they stand.
pub(crate) fn sheets(file: &str) -> Vec<Sheet> {
    let Some(path) = path(file) else { return Vec::new() };
    let text = fs::read_to_string(path).expect("the sheet is readable");
    let mut sheets: Vec<Sheet> = Vec::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            sheets.push(Sheet { heading: heading.to_owned(), fields: Vec::new() });
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (Some(sheet), [_, offset, size, name, ..]) = (sheets.last_mut(), &cells[..]) else {
            continue;
        };
        if let (Ok(offset), Ok(size)) = (offset.parse(), size.parse()) {
            sheet.fields.push((name.to_lowercase(), offset, size));
        }
    }
    sheets.retain(|sheet| sheet.fields.iter().any(|(name, ..)| name == "type"));
    sheets
}
