//! Writes timestamps in each format. Lines of one second share all but the fraction, so the rest is rendered once a
//! second.

use jiff::Timestamp;
use jiff::tz::TimeZone;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Renders times in µs since the Unix epoch, in UTC.
#[derive(Clone, Debug)]
pub struct Clock {
    second: i64,
    micros: u32,
    /// `Jan  5 03:12:45`, as syslog writes it.
    syslog: String,
    /// `Jan 05 03:12:45`, as Dovecot writes it to its own file.
    dovecot: String,
    /// `2026-01-05T03:12:45`.
    iso: String,
}

impl Clock {
    /// A clock that has not been set.
    pub fn new() -> Clock {
        let (syslog, dovecot, iso) = Default::default();
        Clock {
            second: i64::MIN,
            micros: 0,
            syslog,
            dovecot,
            iso,
        }
    }

    /// Sets the time. Beyond the year 9999 it stands still.
    pub fn set(&mut self, time_us: i64) {
        let second = time_us.div_euclid(1_000_000);
        self.micros = time_us.rem_euclid(1_000_000) as u32;
        if second != self.second {
            self.second = second;
            let time = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
            let time = TimeZone::UTC.to_datetime(time);
            let month = MONTHS[usize::from(time.month().unsigned_abs()).clamp(1, 12) - 1];
            let (day, clock) = (time.day(), time.time().strftime("%H:%M:%S"));
            self.syslog = format!("{month} {day:>2} {clock}");
            self.dovecot = format!("{month} {day:02} {clock}");
            self.iso = format!("{:04}-{:02}-{day:02}T{clock}", time.year(), time.month());
        }
    }

    /// The time in µs since the Unix epoch.
    pub fn time_us(&self) -> i64 {
        self.second
            .saturating_mul(1_000_000)
            .saturating_add(i64::from(self.micros))
    }

    /// Appends `Jan  5 03:12:45`.
    pub fn syslog(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.syslog.as_bytes());
    }

    /// Appends `Jan 05 03:12:45`.
    pub fn dovecot(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.dovecot.as_bytes());
    }

    /// Appends `2026-01-05T03:12:45.354`, with six digits of a second on request, without a zone.
    pub fn iso(&self, out: &mut Vec<u8>, micros: bool) {
        out.extend_from_slice(self.iso.as_bytes());
        out.push(b'.');
        let (fraction, digits) = if micros {
            (self.micros, 6)
        } else {
            (self.micros / 1_000, 3)
        };
        padded(out, u64::from(fraction), digits);
    }
}

/// Appends a number in decimal.
pub fn decimal(out: &mut Vec<u8>, number: u64) {
    let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
    padded(out, number, digits);
}

/// Appends the last `digits` (at most 20) decimal digits of a number.
fn padded(out: &mut Vec<u8>, mut number: u64, digits: usize) {
    let mut text = [b'0'; 20];
    let from = text.len() - digits.min(text.len());
    for digit in text[from..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&text[from..]);
}
