//! Hashes the fields of an event that can be in a key.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::KeyField;
use crate::event::{Context, Detail, Event};
use crate::hash::{Remembered, hash128};
use crate::recognisers::is_in_keys;

/// Purposes of hashes, so that no two kinds of value can be confused.
const HASH_USER: u8 = 1;
const HASH_IP: u8 = 2;
const HASH_NET: u8 = 3;
const HASH_SERVICE: u8 = 4;
const HASH_HOST: u8 = 5;
const HASH_LIMIT: u8 = 6;
const HASH_SERVER: u8 = 7;
const HASH_DETAIL: u8 = 50;

/// The fields that few events have.
const DETAILS: [Detail; 5] = [
    Detail::Database,
    Detail::Vhost,
    Detail::Zone,
    Detail::Frontend,
    Detail::Backend,
];

/// The hashes of an event's fields, each made once for all rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldHashes {
    /// Of the user name.
    pub user: Option<u128>,
    /// Of the client's address.
    pub ip: Option<u128>,
    /// Of the client's network.
    pub net: Option<u128>,
    /// Of the service.
    pub service: Option<u128>,
    /// Of the host.
    pub host: Option<u128>,
    /// Of the limit's name.
    pub limit: Option<u128>,
    /// Of the server's name, if keys hold it.
    pub server: Option<u128>,
    /// Of what few messages name.
    details: [Option<u128>; DETAILS.len()],
}

impl FieldHashes {
    /// The hash of a field, if the event has it.
    pub fn get(&self, field: KeyField) -> Option<u128> {
        match field {
            KeyField::Service => self.service,
            KeyField::User => self.user,
            KeyField::Ip => self.ip,
            KeyField::Net => self.net,
            KeyField::Host => self.host,
            KeyField::Limit => self.limit,
            detail => {
                let is_it = |known: &Detail| Some(*known) == detail.detail();
                let at = DETAILS.iter().position(is_it)?;
                self.details.get(at).copied().flatten()
            }
        }
    }
}

/// Hashes the fields of events, and remembers the last event's.
#[derive(Debug, Default)]
pub struct FieldHasher {
    user: Remembered,
    ip: Remembered,
    net: Remembered,
    service: Remembered,
    host: Remembered,
    limit: Remembered,
    server: Remembered,
    hashes: FieldHashes,
}

impl FieldHasher {
    /// Hashes an event's fields; the network only where a rule asks for it. Whether any is another than the last
    /// event's.
    pub fn hash(&mut self, event: &Event<'_>, context: &Context<'_>, needs_net: bool) -> bool {
        let hashes = &mut self.hashes;
        let user = event.user.map(str::as_bytes);
        let service = event.service.map(str::as_bytes);
        let host = context.host.map(str::as_bytes);
        let mut buffer = [0; 16];
        let ip = event.source.map(|source| octets(source.ip, &mut buffer));
        let mut is_other = self.user.hash128(HASH_USER, user, &mut hashes.user);
        is_other |= self.ip.hash128(HASH_IP, ip, &mut hashes.ip);
        is_other |= self
            .service
            .hash128(HASH_SERVICE, service, &mut hashes.service);
        is_other |= self.host.hash128(HASH_HOST, host, &mut hashes.host);
        let limit = Some(event.limit.as_bytes());
        is_other |= self.limit.hash128(HASH_LIMIT, limit, &mut hashes.limit);
        let server = Some(event.module.as_bytes()).filter(|_| is_in_keys(event.module));
        is_other |= self.server.hash128(HASH_SERVER, server, &mut hashes.server);
        if !event.details.is_empty() || hashes.details.iter().any(Option::is_some) {
            is_other = true;
            hash_details(event, &mut hashes.details);
        }
        if needs_net {
            let net = event.source.map(|source| network_of(source.ip));
            let net = net.map(|net| octets(net, &mut buffer));
            is_other |= self.net.hash128(HASH_NET, net, &mut hashes.net);
        }
        is_other
    }

    /// The hashes of the last event.
    pub fn hashes(&self) -> &FieldHashes {
        &self.hashes
    }
}

#[cold]
#[inline(never)]
fn hash_details(event: &Event<'_>, hashes: &mut [Option<u128>; DETAILS.len()]) {
    for (detail, hash) in DETAILS.iter().zip(hashes) {
        let text = event.details.get(*detail);
        *hash = text.map(|text| hash128(HASH_DETAIL + *detail as u8, text.as_bytes()));
    }
}

fn octets(ip: IpAddr, buffer: &mut [u8; 16]) -> &[u8] {
    let len = match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [buffer[0], buffer[1], buffer[2], buffer[3]] = [a, b, c, d];
            4
        }
        IpAddr::V6(ip) => {
            *buffer = ip.octets();
            16
        }
    };
    buffer.get(..len).unwrap_or_default()
}

/// The /24 of an IPv4 address, the /64 of an IPv6 one.
pub(super) fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & 0xffff_ff00)),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
    }
}
