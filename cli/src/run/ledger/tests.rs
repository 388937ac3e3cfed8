use super::*;
use crate::output::delivery::Receipt;
use crate::run::connection::Peer;
use std::sync::atomic::{AtomicBool, Ordering};

const A: Digest = [1; 16];
const B: Digest = [2; 16];

fn claim(ledger: &Arc<Ledger>, digest: Digest) -> Claim {
    claim_at(ledger, digest, Instant::now())
}

fn claim_at(ledger: &Arc<Ledger>, digest: Digest, now: Instant) -> Claim {
    let tickets = (&Arc::default(), &Arc::default());
    ledger.claim(digest, tickets, &Sender::Connection(None), now)
}

fn new(earlier: &[Digest]) -> Arc<Ledger> {
    let earlier = earlier
        .iter()
        .map(|digest| (*digest, Suppressed::default()));
    Ledger::new(earlier, Instant::now())
}

fn digests(ledger: &Arc<Ledger>) -> Vec<Digest> {
    let mut all: Vec<_> = ledger
        .counted(Instant::now())
        .into_iter()
        .map(|it| it.0)
        .collect();
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
    let tickets = (&Arc::default(), &Arc::default());
    let sender = Sender::Connection(Some(sender));
    let first = ledger.claim(A, tickets, &sender, Instant::now());
    let other = claim(&ledger, A);
    assert_eq!(other.known, Known::New);
    other.acknowledge();
    is_gone.store(true, Ordering::Relaxed);
    assert_eq!(claim(&ledger, B).known, Known::New);
    let second = claim(&ledger, A);
    assert_eq!(second.known, Known::Taken);
    assert!(Arc::ptr_eq(&first.ticket, &second.ticket));
    // It is one batch, whoever of both is told.
    second.acknowledge();
    drop(first);
    assert_eq!(claim(&ledger, A).known, Known::New);
    // A request that its sender gave up and that comes when the same bytes were acknowledged.
    ledger
        .claim(B, tickets, &sender, Instant::now())
        .acknowledge();
    let late = ledger.claim(B, tickets, &sender, Instant::now());
    assert_eq!(late.known, Known::Taken);
    late.acknowledge();
    assert_eq!(claim(&ledger, B).known, Known::New);
}

#[test]
fn what_is_acknowledged_or_never_handed_over_is_forgotten() {
    let ledger = new(&[]);
    claim(&ledger, A).acknowledge();
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
    earlier.acknowledge();
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
    let ledger = Ledger::new([(A, suppressed.clone())], now);
    let claim_a = claim(&ledger, A);
    assert_eq!(claim_a.ticket.suppressed(None), Some(suppressed.clone()));
    assert_eq!(ledger.counted(now), [(A, suppressed)]);
    // Delivered, but nobody was told.
    claim_a.ticket.deliver();
    drop(claim_a);
    let ledger = Ledger::new(ledger.counted(now), now);
    let again = claim(&ledger, A);
    assert_eq!(
        (again.known, again.ticket.is_delivered()),
        (Known::Taken, true)
    );
}

#[test]
fn lines_are_known_by_their_numbers() {
    let (fresh, counted, now) = (Arc::default(), Arc::default(), Instant::now());
    let ledger = Ledger::new([], now);
    let line =
        |digest, number| ledger.claim(digest, (&fresh, &counted), &Sender::Line(number, 9), now);
    let _claims = [line(A, 0), line(B, 1)];
    let mut suppressed = Suppressed::default();
    suppressed.add(1, false);
    fresh.count(suppressed);
    let mut counted = ledger.counted(now);
    counted.sort_unstable_by_key(|it| it.0);
    assert_eq!(
        counted,
        [(A, Suppressed::default()), (B, Suppressed::all())]
    );
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
        again.acknowledge();
    }
    assert!(ledger.counted(later).is_empty());
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
