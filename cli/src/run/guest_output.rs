//! Gathers what the guest emits for a delivery.

use super::suppressed::Suppressed;
use crate::io::ndjson::append_records;
use crate::output::delivery::LineRange;
use crate::selection::Selection;
use maxconn_host::{Kind, Want};

/// What a guest is to write for a selection. `numbered` says that its records are numbered within their batch, held back
/// ones too: a record has the same number whatever floods are open when it comes again.
pub fn want(selection: Selection, numbered: bool) -> Want {
    let want = selection.want();
    Want {
        records: want.records || numbered,
        // One for each event, which is how those held back are seen.
        views: numbered,
        // Numbers are for ids, and so are these.
        ids: numbered,
        ..want
    }
}

/// Output as the guest gives it, gathered.
#[derive(Default)]
pub struct GuestOutput {
    /// All lines.
    pub bytes: Vec<u8>,
    /// What they are; neighbours of one kind whose numbers follow are one segment.
    pub segments: Vec<LineRange>,
    /// The alerts alone, whatever the selection.
    pub alerts: Vec<u8>,
    selection: Selection,
    numbered: bool,
    /// The number of the next record.
    next: u32,
    /// The number that a line would have to have to go on with the last segment.
    follows: u32,
    /// The number of the event whose view came last: held back, unless it follows itself.
    undecided: Option<u32>,
    /// What was held back, if records are numbered.
    suppressed: Suppressed,
    /// Numbered lines were gathered since the last one that was held back.
    is_apart: bool,
    /// What does not go on though it is written.
    dropped: Suppressed,
    /// How many records looked like JSON and were none.
    pub malformed: u64,
    /// Whatever is passed on is known to be JSON objects: nothing has to read it again.
    pub passes_objects: bool,
}

/// How far something was gathered.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    bytes: usize,
    alerts: usize,
    next: u32,
    malformed: u64,
}

impl GuestOutput {
    /// Nothing yet; see [`want`].
    pub fn new(selection: Selection, numbered: bool) -> GuestOutput {
        GuestOutput {
            selection,
            numbered,
            ..GuestOutput::default()
        }
    }

    /// The same for a batch that comes again: of its events these do not go on.
    pub fn without(selection: Selection, dropped: Suppressed) -> GuestOutput {
        GuestOutput {
            dropped,
            ..GuestOutput::new(selection, true)
        }
    }

    /// The same for a batch whose records are not to go on, but for alerts if these are wanted.
    pub fn alerts(selection: Selection, numbered: bool) -> GuestOutput {
        let selection = match selection.has(Kind::Alert) {
            true => Selection::Alerts,
            false => Selection::Nothing,
        };
        GuestOutput::new(selection, numbered)
    }

    /// What was held back, if records are numbered; nothing is added after this.
    pub fn take_suppressed(&mut self) -> Suppressed {
        self.decide();
        std::mem::take(&mut self.suppressed)
    }

    /// The event whose view came last does not go on.
    fn decide(&mut self) {
        if let Some(number) = self.undecided.take() {
            self.suppressed.add(number, !self.is_apart);
            self.is_apart = false;
        }
    }

    /// Takes what a guest says.
    pub fn sink(&mut self) -> impl FnMut(Kind, &[u8]) {
        |kind, piece| self.add(kind, piece)
    }

    /// Adds a piece.
    pub fn add(&mut self, kind: Kind, piece: &[u8]) {
        if kind == Kind::Alert {
            self.alerts.extend_from_slice(piece);
        }
        let is_enriched = matches!(kind, Kind::Enriched | Kind::Identified);
        if is_enriched {
            self.undecided = None;
        } else {
            self.decide();
        }
        let (number, lines) = if self.numbered {
            self.count(kind, piece)
        } else {
            (0, 0)
        };
        if kind == Kind::View {
            self.undecided = Some(number);
        }
        let is_dropped = is_enriched && self.dropped.has(number);
        if piece.is_empty() || is_dropped || !self.selection.has(kind) {
            return;
        }
        self.is_apart |= kind != Kind::Alert;
        if is_enriched || (kind == Kind::Passed && !self.passes_objects) {
            self.malformed += append_records(piece, &mut self.bytes);
        } else {
            self.bytes.extend_from_slice(piece);
        }
        let end = self.bytes.len();
        match self.segments.last_mut() {
            Some(last) if last.kind == kind && self.follows == number => last.end = end,
            _ => self.segments.push(LineRange { kind, end, number }),
        }
        self.follows = number + lines;
    }

    /// The number of the first record of a piece, and how many there are.
    fn count(&mut self, kind: Kind, piece: &[u8]) -> (u32, u32) {
        let lines = match kind {
            Kind::Passed | Kind::Wrapped => memchr::memchr_iter(b'\n', piece).count(),
            Kind::View => 1,
            // Its view came just before it.
            Kind::Enriched | Kind::Identified => return (self.next.saturating_sub(1), 1),
            Kind::Alert | Kind::Statistics => return (0, 0),
        };
        let (number, lines) = (self.next, u32::try_from(lines).unwrap_or(u32::MAX));
        self.next = self.next.saturating_add(lines);
        (number, lines)
    }

    /// Where it is.
    pub fn mark(&self) -> Mark {
        Mark {
            bytes: self.bytes.len(),
            alerts: self.alerts.len(),
            next: self.next,
            malformed: self.malformed,
        }
    }

    /// Forgets everything after a mark: a guest failed in the midst of a call.
    pub fn back_to(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.alerts.truncate(mark.alerts);
        self.next = mark.next;
        self.malformed = mark.malformed;
        self.undecided = None;
        self.suppressed.cut(mark.next);
        self.is_apart = true;
        // Whatever comes next begins a segment of its own.
        self.follows = u32::MAX;
        let mut start = 0;
        self.segments.retain(|segment| {
            let keep = start < mark.bytes;
            start = segment.end;
            keep
        });
        if let Some(last) = self.segments.last_mut() {
            last.end = last.end.min(mark.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Selection::{All, Changed};

    fn shape(gathered: &GuestOutput) -> Vec<(Kind, usize, u32)> {
        let all = gathered.segments.iter();
        all.map(|it| (it.kind, it.end, it.number)).collect()
    }

    #[test]
    fn neighbours_of_one_kind_are_one_segment_and_can_be_taken_back() {
        let mut gathered = GuestOutput::default();
        for (kind, piece) in [
            (Kind::Passed, &b"{}\n"[..]),
            (Kind::Passed, b"{}\n"),
            (Kind::Alert, b"c\n"),
            (Kind::Alert, b""),
        ] {
            gathered.add(kind, piece);
        }
        let mark = gathered.mark();
        let whole = shape(&gathered);
        assert_eq!(whole, [(Kind::Passed, 6, 0), (Kind::Alert, 8, 0)]);
        gathered.add(Kind::Alert, b"d\n");
        gathered.add(Kind::Passed, b"e\n");
        gathered.back_to(mark);
        assert_eq!(
            (gathered.bytes.as_slice(), shape(&gathered)),
            (&b"{}\n{}\nc\n"[..], whole)
        );
        assert_eq!(gathered.alerts, b"c\n");
    }

    #[test]
    fn a_record_has_the_same_number_whether_others_are_held_back_or_wanted() {
        for (selection, held_back) in [(All, false), (All, true), (Changed, true)] {
            let mut gathered = GuestOutput::new(selection, true);
            gathered.add(Kind::Passed, b"0\n1\n");
            gathered.add(Kind::View, b"2\n");
            if !held_back {
                gathered.add(Kind::Enriched, b"2\n");
            }
            gathered.add(Kind::Alert, b"!\n");
            gathered.add(Kind::View, b"3\n");
            gathered.add(Kind::Enriched, b"3\n");
            gathered.add(Kind::Wrapped, b"4\n");
            let numbers: Vec<_> = gathered
                .segments
                .iter()
                .map(|it| (it.kind, it.number))
                .collect();
            let mut expected = vec![
                (Kind::Passed, 0),
                (Kind::Enriched, 2),
                (Kind::Alert, 0),
                (Kind::Enriched, 3),
                (Kind::Wrapped, 4),
            ];
            expected.retain(|(kind, number)| match kind {
                Kind::Passed | Kind::Wrapped => selection == All,
                Kind::Enriched => !held_back || *number == 3,
                _ => true,
            });
            assert_eq!(numbers, expected, "{selection:?} {held_back}");
        }
    }

    #[test]
    fn enriched_records_with_others_between_are_segments_of_their_own() {
        let mut gathered = GuestOutput::new(All, true);
        for held_back in [false, false, true, false] {
            gathered.add(Kind::View, b"{}\n");
            if !held_back {
                gathered.add(Kind::Enriched, b"{}\n");
            }
        }
        assert_eq!(
            shape(&gathered),
            [(Kind::Enriched, 6, 0), (Kind::Enriched, 9, 3)]
        );
    }

    #[test]
    fn what_is_held_back_is_known_and_does_not_go_on_when_it_comes_again() {
        // Events are held back where `true`; between them are records that are gathered or not.
        let events = [false, true, true, false, true, true];
        for (selection, ranges) in [(All, 3), (Changed, 2)] {
            let mut gathered = GuestOutput::new(selection, true);
            for held_back in events {
                gathered.add(Kind::View, b"{}\n");
                if !held_back {
                    gathered.add(Kind::Enriched, b"{}\n");
                }
                if gathered.next == 5 {
                    gathered.add(Kind::Passed, b"{}\n");
                }
            }
            let suppressed = gathered.take_suppressed();
            let numbers: Vec<u32> = (0..7).filter(|number| suppressed.has(*number)).collect();
            let expected: &[u32] = if ranges == 3 {
                &[1, 2, 4, 6]
            } else {
                &[1, 2, 4, 5, 6]
            };
            assert_eq!(numbers, expected);
            let mut again = GuestOutput::without(selection, suppressed);
            for _ in events {
                again.add(Kind::View, b"{}\n");
                again.add(Kind::Enriched, b"{}\n");
                if again.next == 5 {
                    again.add(Kind::Passed, b"{}\n");
                }
            }
            assert_eq!(
                (again.bytes, again.segments),
                (gathered.bytes, gathered.segments)
            );
        }
    }

    #[test]
    fn a_mark_forgets_what_was_held_back_after_it() {
        let mut gathered = GuestOutput::new(All, true);
        gathered.add(Kind::View, b"{}\n");
        let mark = gathered.mark();
        gathered.add(Kind::View, b"{}\n");
        gathered.add(Kind::View, b"{}\n");
        gathered.back_to(mark);
        gathered.add(Kind::View, b"{}\n");
        gathered.add(Kind::Enriched, b"{}\n");
        let suppressed = gathered.take_suppressed();
        assert!(suppressed.has(0) && !suppressed.has(1) && !suppressed.has(2));
    }
}
