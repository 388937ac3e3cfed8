use super::*;
use crate::output::delivery::Receipt;
use crate::run::connection::Peer;
use crate::run::suppressed::Suppressed;
use std::sync::atomic::{AtomicBool, Ordering};

const A: Digest = [1; 16];
const B: Digest = [2; 16];

fn claim(ledger: &Arc<Ledger>, digest: Digest) -> Claim {
    claim_at(ledger, digest, Instant::now())
}

fn claim_at(ledger: &Arc<Ledger>, digest: Digest, now: Instant) -> Claim {
    let tickets = Tickets::default();
    ledger.claim(digest, &tickets, &Sender::Connection(None), now)
}

fn new(earlier: &[Digest]) -> Arc<Ledger> {
    let earlier = earlier.iter().map(|it| (*it, Suppressed::default()));
    counted_before(earlier.collect())
}

fn counted_before(counted: Vec<(Digest, Suppressed)>) -> Arc<Ledger> {
    let remembered = Remembered {
        counted,
        ..Remembered::default()
    };
    Ledger::new(remembered, Instant::now())
}

fn acknowledge(claim: Claim) {
    Claim::acknowledge(vec![claim]);
}

fn digests(ledger: &Arc<Ledger>) -> Vec<Digest> {
    let counted = ledger.remembered(Instant::now()).counted;
    let mut all: Vec<_> = counted.into_iter().map(|it| it.0).collect();
    all.sort_unstable();
    all
}

#[test]
fn what_is_left_behind_is_claimed_again_once() {
    let ledger = new(&[]);
    let first = claim(&ledger, A);
    let ticket = Arc::clone(&first.ticket);
    assert_eq!(first.known, Known::New);
    // Another request with the same bytes meanwhile is another batch.
    let second = claim(&ledger, A);
    assert_eq!(second.known, Known::New);
    drop(first);
    assert_eq!(claim(&ledger, B).known, Known::New);
    let again = claim(&ledger, A);
    assert_eq!(again.known, Known::Taken);
    assert!(Arc::ptr_eq(&again.ticket, &ticket));
    assert_eq!(claim(&ledger, A).known, Known::New);
}

#[test]
fn a_sender_that_has_closed_its_side_gives_its_batch_to_the_next_with_the_same_bytes() {
    let ledger = new(&[]);
    struct Gone(Arc<AtomicBool>);
    impl Peer for Gone {
        fn is_gone(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }
    let is_gone = Arc::new(AtomicBool::new(false));
    let sender = Connection::new(Box::new(Gone(Arc::clone(&is_gone))));
    let tickets = &Tickets::default();
    let sender = Sender::Connection(Some(sender));
    let first = ledger.claim(A, tickets, &sender, Instant::now());
    let other = claim(&ledger, A);
    assert_eq!(other.known, Known::New);
    acknowledge(other);
    is_gone.store(true, Ordering::Relaxed);
    assert_eq!(claim(&ledger, B).known, Known::New);
    let second = claim(&ledger, A);
    assert_eq!(second.known, Known::Taken);
    assert!(Arc::ptr_eq(&first.ticket, &second.ticket));
    // It is one batch, whoever of both is told.
    acknowledge(second);
    drop(first);
    assert_eq!(claim(&ledger, A).known, Known::New);
    // A request that its sender gave up and that comes when the same bytes were acknowledged.
    acknowledge(ledger.claim(B, tickets, &sender, Instant::now()));
    let late = ledger.claim(B, tickets, &sender, Instant::now());
    assert_eq!(late.known, Known::Taken);
    acknowledge(late);
    assert_eq!(claim(&ledger, B).known, Known::New);
}

#[test]
fn what_is_acknowledged_or_never_handed_over_is_forgotten() {
    let ledger = new(&[]);
    acknowledge(claim(&ledger, A));
    claim(&ledger, B).forget();
    assert_eq!(claim(&ledger, A).known, Known::New);
    assert_eq!(claim(&ledger, B).known, Known::New);
}

#[test]
fn only_what_was_counted_is_for_the_state_and_an_earlier_process_counts() {
    let ledger = new(&[A]);
    let new = claim(&ledger, B);
    assert_eq!(digests(&ledger), [A]);
    new.ticket.count(Suppressed::default());
    drop(new);
    assert_eq!(digests(&ledger), [A, B]);
    let earlier = claim(&ledger, A);
    assert_eq!(earlier.known, Known::Counted);
    assert_eq!(digests(&ledger), [A, B]);
    acknowledge(earlier);
    assert_eq!(digests(&ledger), [B]);
}

#[test]
fn equal_batches_of_an_earlier_process_are_as_many_as_they_were() {
    let ledger = new(&[A, A]);
    assert_eq!(digests(&ledger), [A, A]);
    let claims = [claim(&ledger, A), claim(&ledger, A), claim(&ledger, A)];
    let known = claims.each_ref().map(|it| it.known);
    assert_eq!(known, [Known::Counted, Known::Counted, Known::New]);
}

#[test]
fn what_was_held_back_or_delivered_is_known_after_a_restart() {
    let mut suppressed = Suppressed::default();
    suppressed.add(3, false);
    let now = Instant::now();
    let ledger = counted_before(vec![(A, suppressed.clone())]);
    let claim_a = claim(&ledger, A);
    assert_eq!(claim_a.ticket.suppressed(None), Some(suppressed.clone()));
    assert_eq!(ledger.remembered(now).counted, [(A, suppressed)]);
    // Delivered, but nobody was told.
    claim_a.ticket.deliver();
    drop(claim_a);
    let ledger = Ledger::new(ledger.remembered(now), now);
    let again = claim(&ledger, A);
    assert_eq!(again.known, Known::Taken);
    assert!(again.ticket.is_delivered());
}

#[test]
fn lines_are_known_by_their_numbers() {
    let (tickets, now) = (Tickets::default(), Instant::now());
    let ledger = new(&[]);
    let line = |digest, number| {
        let sender = Sender::Line([number, 9, 9]);
        ledger.claim(digest, &tickets, &sender, now)
    };
    let _claims = [line(A, 0), line(B, 1)];
    let mut suppressed = Suppressed::default();
    suppressed.add(1, false);
    tickets.fresh.count(suppressed);
    let mut counted = ledger.remembered(now).counted;
    counted.sort_unstable_by_key(|it| it.0);
    let expected = [(A, Suppressed::default()), (B, Suppressed::all())];
    assert_eq!(counted, expected);
}

#[test]
fn nothing_swallows_the_same_bytes_for_ever() {
    let later = Instant::now() + REMEMBERED + Duration::from_secs(60);
    let ledger = new(&[A]);
    for known in [Known::New, Known::Taken] {
        let first = claim(&ledger, B);
        assert_eq!(first.known, Known::New);
        first.ticket.count(Suppressed::default());
        if known == Known::New {
            first.ticket.deliver();
        }
        drop(first);
        let again = claim_at(&ledger, B, later);
        assert_eq!(again.known, known, "undelivered, it can't be over");
        acknowledge(again);
    }
    assert!(ledger.remembered(later).counted.is_empty());
    assert_eq!(claim_at(&ledger, A, later).known, Known::New);
}

#[test]
fn of_too_many_left_behind_the_oldest_delivered_one_goes() {
    let ledger = new(&[]);
    let name = |number: usize| {
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        digest
    };
    for number in 0..=LEFT_MAX {
        let claim = claim(&ledger, name(number));
        if number > 0 {
            claim.ticket.deliver();
        }
    }
    for (number, known) in [(0, Known::Taken), (2, Known::Taken), (1, Known::New)] {
        assert_eq!(claim(&ledger, name(number)).known, known, "{number}");
    }
}

#[test]
fn what_an_earlier_process_has_marked_is_known() {
    use Mark::{Delivered, Released};
    let counted = |suppressed: Suppressed| vec![(A, suppressed)];
    let (some, all) = (Suppressed::default(), Suppressed::all());
    let (is_known, is_delivered) = (Known::Taken, Known::Delivered);
    for (counted, marks, expected) in [
        // What the state has counted is done once it was delivered, and what it has not counts still.
        (counted(some.clone()), vec![Delivered(A)], vec![is_known]),
        (vec![], vec![Delivered(A)], vec![is_delivered]),
        (vec![], vec![Delivered(B)], vec![]),
        // The same bytes as another batch.
        (
            counted(some.clone()),
            vec![Delivered(A), Delivered(A)],
            vec![is_delivered, is_known],
        ),
        (
            counted(all.clone()),
            vec![Delivered(A)],
            vec![is_delivered, is_known],
        ),
        (
            vec![],
            vec![Delivered(A), Delivered(A), Released(A)],
            vec![is_delivered],
        ),
        // Whose sender has heard of it.
        (
            counted(some.clone()),
            vec![Delivered(A), Released(A)],
            vec![],
        ),
        (vec![], vec![Delivered(A), Released(A)], vec![]),
        (counted(all), vec![Released(A)], vec![]),
        (vec![], vec![Released(A), Delivered(A)], vec![is_delivered]),
        // An answer that was the output.
        (counted(some), vec![Released(A)], vec![]),
    ] {
        let remembered = Remembered {
            counted,
            marks,
            known: 0,
        };
        let ledger = Ledger::new(remembered.clone(), Instant::now());
        let again = Ledger::new(ledger.remembered(Instant::now()), Instant::now());
        for ledger in [ledger, again] {
            let mut claims = Vec::new();
            loop {
                let claim = claim(&ledger, A);
                if claim.known == Known::New {
                    break;
                }
                claims.push(claim);
            }
            let known: Vec<_> = claims.iter().map(|it| it.known).collect();
            assert_eq!(known, expected, "{remembered:?}");
        }
    }
}

#[test]
fn what_an_earlier_process_delivered_stays_known_until_it_is_counted() {
    let marks = vec![Mark::Delivered(A)];
    let remembered = Remembered {
        marks: marks.clone(),
        ..Remembered::default()
    };
    let ledger = Ledger::new(remembered, Instant::now());
    let claim = claim(&ledger, A);
    assert_eq!(ledger.remembered(Instant::now()).marks, marks);
    let ticket = Arc::clone(&claim.ticket);
    drop(claim);
    assert_eq!(ledger.remembered(Instant::now()).marks, marks);
    ticket.count(Suppressed::all());
    let remembered = ledger.remembered(Instant::now());
    assert_eq!(remembered.marks, []);
    assert_eq!(remembered.counted, [(A, Suppressed::all())]);
}
