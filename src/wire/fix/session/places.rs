//! Where messages are in a record's file, by number: in pages, so that growing copies nothing.

/// Places of a page.
const PAGE: usize = 4096;

/// Pages taken at once: a day of most sessions.
const PAGES: usize = 16;

/// The places, from number 1.
#[derive(Debug)]
pub(super) struct Places {
    pages: Vec<Box<[u64; PAGE]>>,
    count: usize,
}

impl Places {
    pub(super) fn new() -> Self {
        let mut pages = Vec::with_capacity(4096);
        pages.resize_with(PAGES, || Box::new([0; PAGE]));
        Self { pages, count: 0 }
    }

    pub(super) fn push(&mut self, at: u64) {
        let page = self.count / PAGE;
        if page == self.pages.len() {
            self.pages.push(Box::new([0; PAGE]));
        }
        if let Some(place) = self.pages.get_mut(page).and_then(|p| p.get_mut(self.count % PAGE)) {
            *place = at;
            self.count += 1;
        }
    }

    /// The place of a number.
    pub(super) fn get(&self, seq: u64) -> Option<u64> {
        let index = usize::try_from(seq.checked_sub(1)?).ok().filter(|at| *at < self.count)?;
        self.pages.get(index / PAGE)?.get(index % PAGE).copied()
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_found_over_page_ends_and_none_after_a_reset() {
        let mut places = Places::new();
        let count = (PAGE * (PAGES + 2) + 3) as u64;
        (1..=count).for_each(|seq| places.push(seq * 7));
        assert!((1..=count).all(|seq| places.get(seq) == Some(seq * 7)));
        assert_eq!((places.get(0), places.get(count + 1)), (None, None));
        places.clear();
        assert_eq!(places.get(1), None);
    }
}
