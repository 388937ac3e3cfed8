//! Counts who and what was refused, by name.

use std::net::IpAddr;

use crate::top::Top;
use crate::written::{Named, TOP_MAX, Tops};

/// Names that are counted.
#[derive(Clone, Debug, Default)]
pub struct Names {
    users: Top<String, ()>,
    addresses: Top<String, ()>,
    networks: Top<String, ()>,
    services: Top<String, ()>,
    /// These are counted one by one.
    pub servers: Top<String, ()>,
    /// The same.
    pub hosts: Top<String, ()>,
}

/// Counts a name, if there is one.
pub fn add(top: &mut Top<String, ()>, name: &str, count: u64) {
    if !name.is_empty() && count > 0 {
        top.add(name.to_string(), count);
    }
}

impl Names {
    /// Counts a client.
    pub fn add(&mut self, user: &str, ip: &str, service: &str, count: u64) {
        add(&mut self.users, user, count);
        add(&mut self.addresses, ip, count);
        add(&mut self.services, service, count);
        if let Ok(ip) = ip.parse() {
            add(&mut self.networks, &network(ip), count);
        }
    }

    /// The most frequent of each.
    pub fn written(&self) -> Tops {
        let named = |top: &Top<String, ()>| {
            let ranked = top.ranked().into_iter().take(TOP_MAX);
            let named = ranked.map(|(name, all)| Named {
                name: name.clone(),
                count: all.count,
                excess: all.excess,
            });
            named.collect()
        };
        Tops {
            users: named(&self.users),
            addresses: named(&self.addresses),
            networks: named(&self.networks),
            services: named(&self.services),
            servers: named(&self.servers),
            hosts: named(&self.hosts),
        }
    }
}

/// The network of an address, as keys of rules have it: /24 of IPv4, /64 of IPv6.
fn network(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => format!("{}/24", std::net::Ipv4Addr::from(u32::from(ip) & !0xff)),
        IpAddr::V6(ip) => {
            let network = u128::from(ip) & !u128::from(u64::MAX);
            format!("{}/64", std::net::Ipv6Addr::from(network))
        }
    }
}
