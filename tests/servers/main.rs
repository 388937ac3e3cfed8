//! The real logs in `testdata/servers`, line by line: every expected event with its fields, and no other line taken for one; the
//! same in every framing that a line can come in; and the normal lines of other programs.

mod framings;
mod normal;

use std::collections::BTreeMap;
use std::fs::read_dir;
use std::net::IpAddr;

use maxconn_core::config::{Config, Rule};
use maxconn_core::event::{Class, Detail, Event};
use maxconn_core::head;
use maxconn_core::recognisers::{Entry, READINGS_MAX, SERVERS, Said};
use maxconn_core::record::{Record, read_json};
use serde_json::Value;
use test_support::data;

const FOLDER: &str = "testdata/servers";
const NOW_MS: i64 = 1_795_900_000_000;

/// A line as the engine reads it.
fn read<'a>(line: &'a [u8], config: &Config) -> Option<Record<'a>> {
    if line.first() == Some(&b'{') {
        return read_json(line, config.keys(), &config.timezone);
    }
    Some(Record {
        message: Some(String::from_utf8_lossy(line)),
        ..Record::default()
    })
}

/// The event of a record, and what else takes it for one of its own.
fn events<'a>(line: &'a [u8], record: &'a Record<'_>, config: &Config) -> Vec<Event<'a>> {
    let Some(message) = record.message.as_deref() else {
        return Vec::new();
    };
    let json = (line.first() == Some(&b'{')).then_some(line);
    let body = head::parse(message, &config.timezone, Some(NOW_MS)).body;
    let said = Said::text(message, body).within(json, &record.unescaped);
    let readings = std::iter::successors(Some(said), Said::other).take(1 + READINGS_MAX);
    readings
        .flat_map(|said| {
            let events = SERVERS.iter().map(move |server| server.recognise(&said));
            events.flatten().collect::<Vec<_>>()
        })
        .collect()
}

/// What a field of a row is of an event, as text.
fn field(event: &Event<'_>, name: &str) -> Option<String> {
    let detail = |detail| event.details.get(detail).map(str::to_string);
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    match name {
        "server" => Some(event.module.to_string()),
        "limit" => Some(event.limit.to_string()),
        "scope" => Some(event.scope.name().to_string()),
        "value" => number(event.limit_value),
        "count" if event.class == Class::Summary => number(Some(u64::from(event.count))),
        "count" => number(event.limit_current),
        "user" => event.user.map(str::to_string),
        "service" => event.service.map(str::to_string),
        "ip" => event.source.map(|source| source.ip.to_string()),
        "port" => {
            let port = event.source.and_then(|source| source.port);
            port.map(|port| port.to_string())
                .or_else(|| detail(Detail::Port))
        }
        "host" => detail(Detail::Host),
        "database" => detail(Detail::Database),
        "vhost" => detail(Detail::Vhost),
        "zone" => detail(Detail::Zone),
        "frontend" => detail(Detail::Frontend),
        "backend" => detail(Detail::Backend),
        "state" => detail(Detail::State),
        "status" => detail(Detail::Status),
        "code" => detail(Detail::Code),
        _ => panic!("{name}"),
    }
}

fn is_same(name: &str, found: Option<&str>, wanted: &Value) -> bool {
    let wanted = wanted
        .as_str()
        .map_or_else(|| wanted.to_string(), str::to_string);
    let ip = |text: &str| text.parse::<IpAddr>().ok();
    match name {
        "ip" => found.is_some_and(|found| ip(found).is_some() && ip(found) == ip(&wanted)),
        _ => found == Some(&wanted),
    }
}

/// What is wrong with an event.
fn faults(event: &Event<'_>, row: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let is_ambiguous = row["class"] == "ambiguous";
    let optional = row["optional"].as_object().cloned().unwrap_or_default();
    for (name, wanted) in row.as_object().expect("a row") {
        if matches!(
            &**name,
            "file" | "line" | "class" | "optional" | "note" | "stage" | "dry_run"
        ) {
            continue;
        }
        let found = field(event, name);
        if !is_same(name, found.as_deref(), wanted) {
            faults.push(format!("{name} is {found:?}, not {wanted}"));
        }
    }
    for (name, wanted) in &optional {
        let found = field(event, name);
        if found.is_some() && !is_same(name, found.as_deref(), wanted) {
            faults.push(format!("{name} is {found:?}, not {wanted} or nothing"));
        }
    }
    for name in ["user", "ip"] {
        let is_there = row.get(name).is_some() || optional.contains_key(name) || is_ambiguous;
        if !is_there && let Some(found) = field(event, name) {
            faults.push(format!("{name} is {found:?}, and the line has none"));
        }
    }
    let class = match (row["class"].as_str(), row["dry_run"].as_bool()) {
        (_, Some(true)) => "warning",
        (None | Some("ambiguous"), _) => "refusal",
        (Some(class), _) => class,
    };
    if event.class.name() != class {
        faults.push(format!("class is {}, not {class}", event.class.name()));
    }
    faults
}

fn files(folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in read_dir(data::path(folder)).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        match entry.file_type().expect("a type").is_dir() {
            true => files.extend(self::files(&name)),
            false if name.ends_with(".log.gz") => files.push(name),
            false => {}
        }
    }
    files.sort();
    files
}

/// The rows of what is expected, by file and line.
fn expected() -> BTreeMap<(String, usize), Value> {
    let mut expected = BTreeMap::new();
    for line in data::text(&format!("{FOLDER}/expected.jsonl.gz")).lines() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let file = row["file"].as_str().expect("a file").to_string();
        let line = row["line"].as_u64().expect("a line") as usize;
        expected.insert((file, line), row);
    }
    assert_eq!(expected.len(), 3_594);
    expected
}

/// All lines of all files, each with the name of its file and its number.
fn lines(folder: &str) -> Vec<(String, usize, Vec<u8>)> {
    let mut lines = Vec::new();
    for path in files(folder) {
        let file = path.strip_prefix(folder).expect("in the folder");
        let file = file.trim_start_matches('/').trim_end_matches(".gz");
        for (index, line) in data::read(&path).split(|byte| *byte == b'\n').enumerate() {
            lines.push((file.to_string(), index + 1, line.to_vec()));
        }
    }
    lines
}

#[test]
fn every_expected_line_field_by_field_and_no_other() {
    let config = Config::default();
    let mut expected = expected();
    let mut wrong = Vec::new();
    for (file, line_number, line) in &lines(FOLDER) {
        let text = String::from_utf8_lossy(line);
        let text = text.chars().take(300).collect::<String>();
        let record = read(line, &config);
        let events = record
            .as_ref()
            .map(|record| events(line, record, &config))
            .unwrap_or_default();
        let row = expected.remove(&(file.clone(), *line_number));
        let place = format!("{file}:{line_number}");
        if let [_, other, ..] = &*events {
            wrong.push(format!("{place}: is {}'s, too: {text}", other.module));
        }
        match (events.first(), row) {
            (Some(event), Some(row)) => {
                let faults = faults(event, &row);
                if !faults.is_empty() {
                    wrong.push(format!("{place}: {}: {text}", faults.join(", ")));
                }
                let server = SERVERS.iter().find(|server| server.name == event.module);
                let server = server.expect("a server");
                let mark = server
                    .mark
                    .map(|mark| String::from_utf8_lossy(&mark).into_owned());
                let needles = server.needles.iter().copied();
                let mut needles = needles.map(str::to_string).chain(mark);
                if !needles.any(|needle| {
                    let line = String::from_utf8_lossy(line);
                    line.contains(&needle)
                }) {
                    wrong.push(format!("{place}: no needle: {text}"));
                }
            }
            (Some(event), None) => {
                wrong.push(format!("{place}: is no event of {}: {text}", event.module));
            }
            (None, Some(row)) if row["class"] != "ambiguous" => {
                wrong.push(format!(
                    "{place}: missed {} {}: {text}",
                    row["server"], row["limit"]
                ));
            }
            (None, _) => {}
        }
    }
    assert!(expected.is_empty());
    let count = wrong.len();
    wrong.truncate(60);
    assert!(wrong.is_empty(), "{count} are wrong:\n{}", wrong.join("\n"));
}

#[test]
fn no_line_of_the_first_server_is_another_s() {
    let config = Config::default();
    let (mut lines, mut events_of_its_own) = (0, 0);
    for entry in read_dir(data::path("testdata/dovecot")).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        if name == "expected.jsonl" || name.ends_with(".md") {
            continue;
        }
        for line in data::read(&format!("testdata/dovecot/{name}")).split(|byte| *byte == b'\n') {
            lines += 1;
            let Some(record) = read(line, &config) else {
                continue;
            };
            for event in events(line, &record, &config) {
                let text = String::from_utf8_lossy(line);
                assert_eq!(event.module, SERVERS[0].name, "{name}: {text}");
                events_of_its_own += 1;
            }
        }
    }
    assert!(
        lines > 18_000 && events_of_its_own > 14_000,
        "{lines}, {events_of_its_own}"
    );
}

/// `SERVER | LIMIT | FIELDS | LINE`: what no log in `testdata/servers` has.
const UNDRIVEN: &str = r#"
mongodb | net.maxIncomingConnections | count 301 | {"t":{"$date":"2026-11-28T17:00:00.000+00:00"},"s":"I","c":"NETWORK","id":22942,"ctx":"listener","msg":"Connection refused because there are too many open connections","attr":{"connectionCount":301}}
mongodb | net.maxIncomingConnections | count 819 | 2017-01-01T00:00:00.000+0000 I NETWORK  [listener] connection refused because too many open connections: 819
mongodb | - | - | {"id":7,"msg":"Connection refused because there are too many open connections"}
kafka | max.connections.per.ip | ip 192.0.2.7 value 2 | [2026-11-28 17:00:00,123] INFO Rejected connection from /192.0.2.7, address already has the configured maximum of 2 connections. (kafka.network.Acceptor)
systemd | MaxConnections | service echo.socket count 5 | Nov 28 17:00:00 srv1 systemd[1]: echo.socket: Too many incoming connections (5), dropping connection.
systemd | MaxConnectionsPerSource | service echo.socket count 5 ip 192.0.2.7 | echo.socket: Too many incoming connections (5) from source 192.0.2.7, dropping connection.
kernel | net.netfilter.nf_conntrack_max | - | Nov 28 17:00:00 srv1 kernel: [ 6759.369821] nf_conntrack: nf_conntrack: table full, dropping packet
kernel | net.netfilter.nf_conntrack_max | - | [ 6759.369821] nf_conntrack: table full in netns 4026532000, dropping packet
kernel | - | - | Nov 28 17:00:00 srv1 app: nf_conntrack: table full, dropping packet
kernel | listen backlog | port 80 | Nov 28 17:00:00 srv1 kernel: TCP: Possible SYN flooding on port 80. Sending cookies.  Check SNMP counters.
samba | max connections | service data value 2 |   Max connections (2) exceeded for [data][data]
open-files | RLIMIT_NOFILE | service slapd | Nov 28 17:00:00 srv1 slapd[7]: accept(8) failed errno=24 (Too many open files)
open-files | RLIMIT_NOFILE | service sshd | Nov 28 17:00:00 srv1 sshd[7]: error: accept: Too many open files
courier | MAXPERIP | ip 192.0.2.7 | ALERT: Maximum connection limit reached for 192.0.2.7
cyrus | maxlogins_per_user | value 2 | Nov 28 17:00:00 srv1 cyrus/imap[7]: Too many open connections (2 of 2 for alice, 3 of 3 from h.example.org [192.0.2.7])
postgresql | max_connections | - | db_postgres-1  | 2026-11-28 17:00:00.000 UTC [77] FATAL:  sorry, too many clients already
postgresql | reserved_connections | - | 2026-11-28 17:00:00 UTC:192.0.2.7(5432):web@shop:[77]:FATAL:  remaining connection slots are reserved for roles with privileges of the "rds_reserved" role
postgresql | role_connection_limit | user web | 2026-11-28T17:00:00.1Z stderr F 2026-11-28 17:00:00.000 UTC [77] web@shop FATAL:  too many connections for role "web"
postgresql | - | - | Nov 28 17:00:00 srv1 postfix/smtpd[7]: warning: non-SMTP command from h[192.0.2.7]: FATAL:  sorry, too many clients already
postgresql | - | - | {"message":"sorry, too many clients already"}
mysql | max_connections | - | PHP Fatal error:  Uncaught PDOException: SQLSTATE[HY000] [1040] Too many connections in /srv/a.php:7
mysql | max_connections | - | [2026-11-28 17:00:00] production.ERROR: SQLSTATE[08004] [1040] Too many connections (Connection: mysql)
mysql | max_connections | - | pymysql.err.OperationalError: (1040, 'Too many connections')
mysql | max_connections | - | Error 1040 (08004): Too many connections
mysql | max_connections | - | PHP Warning:  mysqli_connect(): (08004/1040): Too many connections in /srv/a.php on line 7
mysql | max_user_connections | user web | SQLSTATE[42000] [1203] User web already has more than 'max_user_connections' active connections
mysql | - | - | GET /?q=SQLSTATE[HY000] [1040] Too many connections
apache | MaxClients | - | [Sat Nov 28 17:00:00 2026] [error] server reached MaxClients setting, consider raising the MaxClients setting
haproxy | fs.file-max | frontend fe value 9 | Nov 28 17:00:00 srv1 haproxy[7]: Proxy fe reached system FD limit (maxsock=9). Please check system tunables.
haproxy | maxconn | frontend fe | <0>Proxy fe reached the configured maximum connection limit. Please check the global 'maxconn' value.
haproxy | timeout queue | ip 2001:db8::7 port 7 frontend fe backend be state sQ-- status 503 | <6>2001:db8::7:7 [28/Nov/2026:17:00:00.000] fe~ be/srv1 0/804/-1/-1/+804 503 +217 a=b - sQ-- 11/11/10/0/0 0/1 "GET / HTTP/1.1"
haproxy | - | - | 192.0.2.7:7 [28/Nov/2026:17:00:00.000] fe be/<NOSRV> 0/804/-1/-1/804 503 217 - - CQ-- 11/11/10/0/0 0/1 "GET / HTTP/1.1"
postgresql | too_many_connections | user web database shop ip 192.0.2.7 port 7 | 2026-11-28 16:54:43.124 UTC,"web","shop",126,"192.0.2.7:7",6b0b0753.7e,2,"initializing",2026-11-28 16:54:43 UTC,,0,FATAL,53300,"tut mir leid, schon zu viele Verbindungen",,,,,,,,,"","client backend",,0
postgresql | too_many_connections | user web database shop ip 192.0.2.7 port 7 | {"timestamp":"2026-11-28 16:54:43.124 UTC","user":"web","dbname":"shop","pid":126,"remote_host":"192.0.2.7","remote_port":7,"error_severity":"FATAL","state_code":"53300","message":"trop de connexions pour le rôle « web »"}
postgresql | too_many_connections | user web database shop | {"log":"{\"user\":\"web\",\"dbname\":\"shop\",\"error_severity\":\"FATAL\",\"state_code\":\"53300\",\"message\":\"trop de connexions\"}\n"}
postgresql | - | - | 2026-11-28 17:00:00 UTC,,,77,,,,,,,,FATAL,53300,,,,,,,,,,,,,0
postgresql | - | - | {"error_severity":"ERROR","state_code":"53300","message":"raised by a function"}
postgresql | - | - | 2026-11-28 17:00:00 ERROR [pool-1] connection to server at "db" (192.0.2.1), port 5432 failed: FATAL:  sorry, too many clients already
postgresql | reserved_connections | - | 2026-11-28 17:00:00.000 +0530 [77] FATAL:  remaining connection slots are reserved for roles with privileges of the "pg_use_reserved_connections" role
postgresql | max_wal_senders | value 1 | Nov 28 17:00:00 srv1 postgres[7]: [3-1] FATAL:  number of requested standby connections exceeds "max_wal_senders" (currently 1)
mariadb | max_user_connections | user web ip 192.0.2.7 | Nov 28 17:00:00 srv1 mysql-server_auditing: srv1,web,192.0.2.7,16,0,FAILED_CONNECT,,,1226
mariadb | max_connections | user a,b ip 192.0.2.7 | <190>Nov 28 17:00:00 mysql-server_auditing: rack-1 srv1,a,b,192.0.2.7,16,0,FAILED_CONNECT,,,1040
mariadb | max_connections | - | {"ident":"mysql-server_auditing","message":"srv1,,,0,0,DISCONNECT,,,1040"}
mariadb | - | - | Nov 28 17:00:00 srv1 app[7]: srv1,web,192.0.2.7,16,0,FAILED_CONNECT,,,1226
mariadb | max_connections | user root | 20261128 16:34:05,srv1,root,localhost,16,0,FAILED_CONNECT,,,1040
mariadb | max_user_connections | user web ip 192.0.2.7 | 2026-11-28 16:34:05 web[web] @  [192.0.2.7] ERROR 1203: User web already has more than 'max_user_connections' active connections : (null)
mysql | max_connections | - | {"prio":2,"err_code":11306,"subsystem":"Server","msg":"Plugin mysqlx reported: '7: Error initializing session for connection: Too many connections'"}
mysql | - | - | {"err_code":13117,"msg":"Plugin mysqlx reported: '7: Error initializing session for connection: Too many connections'"}
mysql | max_connections | - | ERROR 1040 (HY000): Too many connections
mysql | max_connections | - | 2026/11/28 17:00:00 Error 1040: Too many connections
mysql | max_connections | - | sqlalchemy.exc.OperationalError: (pymysql.err.OperationalError) (1040, 'Too many connections')
mysql | max_connections | - | [28-Nov-2026 17:46:00 UTC] PHP Warning:  mysqli::__construct(): (HY000/1040): Too many connections in /srv/a.php on line 7
mysql | max_user_connections | user web value 7 | SQLSTATE[42000] [1226] User 'web' has exceeded the 'max_user_connections' resource (current value: 7)
mysql | max_user_connections | user web | PHP Warning:  mysqli_real_connect(): (42000/1203): User web already has more than 'max_user_connections' active connections in /srv/a.php on line 7
mysql | max_connections_per_hour | user web | django.db.utils.OperationalError: (1226, "User 'web' has exceeded the 'max_connections_per_hour' resource (current value: 7)")
mysql | - | - | SQLSTATE[42000] [1226] User 'web' has exceeded the 'max_queries_per_hour' resource (current value: 7)
mysql | - | - | Too many connections
nginx | limit_conn | zone z ip 192.0.2.7 vhost 0.0.0.0:9000 | 2026/11/28 17:43:51 [error] 15#15: *19 limiting connections by zone "z", client: 192.0.2.7, server: 0.0.0.0:9000
nginx | limit_conn | zone z ip 192.0.2.7 vhost 0.0.0.0:53 | 2026/11/28 17:43:51 [error] 15#15: *19 limiting connections by zone "z", udp client: 192.0.2.7, server: 0.0.0.0:53, bytes from/to client:0/0
nginx | limit_conn | zone z | 2026/11/28 17:43:51 [error] 15#15: *19 limiting connections by zone "z", client: unix:, server: , request: "GET / HTTP/1.1"
nginx | worker_connections | value 512 ip 192.0.2.7 | 2026/11/28 17:44:21 [alert] 24#24: *34 512 worker_connections are not enough while SSL handshaking to upstream, client: 192.0.2.7, server: example.org, request: "GET / HTTP/1.1"
openssh | MaxStartups | count 3 | debug1: drop connection #3
openssh | PerSourcePenalties | ip 192.0.2.7 | Nov 28 17:00:00 srv1 sshd[7]: drop connection #0 from [192.0.2.7]:7 on [192.0.2.1]:22 penalty: exceeded LoginGraceTime
exim | smtp_accept_reserve | host h.example.org ip 192.0.2.7 value 4 count 2 | 2026-11-28 16:50:40 +0100 [14] temporarily refused connection from h.example.org [192.0.2.7]: not in reserve list: connected=2 max=4 reserve=2
postfix | smtpd_client_connection_count_limit | service smtp ip 192.0.2.7 | {"hostname":"srv1","message":"postfix/smtpd[7]: warning: Connection concurrency limit exceeded: 51 from h.example.org[192.0.2.7] for service smtp"}
postfix | - | - | {"hostname":"srv1","message":"app[7]: bob: warning: Connection concurrency limit exceeded: 51 from h.example.org[192.0.2.7] for service smtp"}
postfix | smtpd_client_connection_count_limit | service 465 ip 2001:db8::7 host unknown | warning: Connection concurrency limit exceeded: 51 from unknown[2001:db8::7] for service 465
php-fpm | pm.max_children | service www value 5 | php-1  | [28-Nov-2026 17:46:00] WARNING: [pool www] server reached max_children setting (5), consider raising it
proftpd | MaxClientsPerClass | ip 192.0.2.7 value 2 | Nov 28 17:00:00 srv1 proftpd[7]: srv1 (h.example.org[192.0.2.7]) - Connection refused (MaxClientsPerClass guests 2)
rabbitmq | vhost max-connections | user web database shop value 2 | 2026-11-28 17:31:43.445032+00:00 [error] <0.971.0> access to vhost 'shop' refused for user 'web': vhost connection limit (2) is reached
rabbitmq | vhost max-connections | user web database shop value 2 | {"level":"error","msg":"Error on MQTT connection <0.971.0>\naccess to vhost 'shop' refused for user 'web': vhost connection limit (2) is reached","domain":"rabbitmq.connection"}
rabbitmq | connection_max | value 3 | {"level":"error","msg":"Error on AMQP connection <0.9.0> (192.0.2.7:7 -> 192.0.2.1:5672, user: 'web', state: opening):\nconnection refused: node connection limit (3) is reached"}
rabbitmq | - | - | {"msg":"connection refused for user 'bob': user connection limit (1) is reached"}
asterisk | maxcalls | value 3 | [Nov 28 17:38:47] NOTICE[43][C-00000001]: pbx.c:4567 in increase_call_count: Maximum call limit of 3 calls exceeded by 'SIP/7-0000'!
kernel | listen backlog | port 80 | Nov 28 17:00:00 srv1 kernel: possible SYN flooding on port 80. Sending cookies.
kernel | listen backlog | port 80 | Nov 28 17:00:00 srv1 kernel: TCP: request_sock_TCP: Possible SYN flooding on port 80. Dropping request.  Check SNMP counters.
kernel | net.netfilter.nf_conntrack_max | - | Nov 28 17:00:00 srv1 kernel: ip_conntrack: table full, dropping packet.
kernel | net.netfilter.nf_conntrack_max | - | {"host":"srv1","ident":"kernel","message":"nf_conntrack: table full, dropping packet"}
kernel | - | - | {"host":"srv1","ident":"app","message":"[ 6759.369821] nf_conntrack: table full, dropping packet"}
kernel | - | - | {"host":"srv1","log":{"syslog":{"appname":"app"}},"message":"nf_conntrack: table full, dropping packet"}
kernel | - | - | {"SYSLOG_IDENTIFIER":"app","MESSAGE":"nf_conntrack: table full, dropping packet"}
kernel | net.netfilter.nf_conntrack_max | - | {"hostname":"srv1","message":"kernel: [ 6759.369821] nf_conntrack: table full, dropping packet"}
kernel | - | - | {"hostname":"srv1","message":"app[7]: nf_conntrack: table full, dropping packet"}
kernel | - | - | {"hostname":"srv1","ident":"app","message":"kernel: nf_conntrack: table full, dropping packet"}
kernel | - | - | {"host":{"name":"srv1"},"message":"kernel: nf_conntrack: table full, dropping packet"}
kernel | - | - | {"log":"nf_conntrack: table full, dropping packet\n","stream":"stderr"}
kernel | - | - | nf_conntrack: table full, dropping packet
courier | MAXDAEMONS | service pop3d value 40 | {"host":"srv1","ident":"pop3d","message":"40 maximum active connections."}
systemd | MaxConnectionsPerSource | service echo.socket count 5 | echo.socket: Too many incoming connections (5) from source UID 1000, dropping connection.
mongodb | net.maxIncomingConnections | count 301 ip 192.0.2.7 port 7 | 2026-11-28T17:00:00.1Z stdout F {"t":{"$date":"2026-11-28T17:00:00.000+00:00"},"s":"I",  "c":"NETWORK",  "id":22942,   "ctx":"listener","msg":"Connection refused because there are too many open connections","attr":{"remote":"192.0.2.7:7","connectionCount":301}}
mongodb | net.maxIncomingConnections | count 819 | {"log":"Sat Nov 28 17:00:00.123 [initandlisten] connection refused because too many open connections: 819\n"}
samba | max connections | value 2 |   Max connections (2) exceeded for [my data][my data]
open-files | RLIMIT_NOFILE | service slapd | Nov 28 17:00:00 srv1 slapd[7]: daemon: accept(8) failed errno=24 (Too many open files)
open-files | RLIMIT_NOFILE | service web | {"ident":"web","message":"http: Accept error: accept tcp [::]:8080: accept4: too many open files; retrying in 5ms"}
open-files | - | - | open /var/lib/x: too many open files
"#;

#[test]
fn what_was_not_driven_is_read_by_its_words() {
    let config = Config::default();
    for row in UNDRIVEN.lines().filter(|row| !row.is_empty()) {
        let cells: Vec<&str> = row.splitn(4, " | ").collect();
        let [server, limit, fields, line] = *cells else {
            panic!("four cells: {row}")
        };
        let record = read(line.as_bytes(), &config).expect(line);
        let events = events(line.as_bytes(), &record, &config);
        let told = events.iter().map(|event| (event.module, event.limit));
        let expected = (limit != "-").then_some((server, limit));
        assert_eq!(told.collect::<Vec<_>>(), Vec::from_iter(expected), "{line}");
        let fields: Vec<&str> = fields.split(' ').collect();
        for (event, pair) in events.iter().zip([fields.chunks_exact(2)]) {
            for pair in pair {
                let found = field(event, pair[0]);
                assert_eq!(found.as_deref(), Some(pair[1]), "{}: {line}", pair[0]);
            }
        }
    }
}

#[test]
fn every_limit_is_counted_by_one_built_in_rule() {
    let rules = Config::default().rules;
    for server in SERVERS {
        for limit in server.limits {
            let counts = |rule: &&Rule| {
                rule.distinct.is_none()
                    && rule.servers.contains(&server.name)
                    && rule.scope.contains(&limit.scope)
            };
            let names = rules.iter().filter(counts).map(|rule| rule.name.as_str());
            let names: Vec<&str> = names.collect();
            assert_eq!(names.len(), 1, "{} {}: {names:?}", server.name, limit.name);
        }
        for name in server.rules {
            assert!(rules.iter().any(|rule| rule.name == *name), "{name}");
        }
    }
}

#[test]
fn another_program_s_log_of_a_client_s_words_is_no_event() {
    let config = Config::default();
    for words in [
        "drop connection #3 from [192.0.2.66]:7 on [198.51.100.1]:22 past MaxStartups",
        "Maxstartups logging rate-limited: additional 4000000 connections dropped",
        "Connection from [192.0.2.66]:7 refused: too many connections",
        "echo.socket: Too many incoming connections (64), dropping connection.",
    ] {
        let line = |tag: &str| format!("Nov 28 17:00:00 srv1 {tag}[7]: {words}");
        let is_event = |tag: &str| {
            let line = line(tag);
            let record = read(line.as_bytes(), &config).expect("it is text");
            !events(line.as_bytes(), &record, &config).is_empty()
        };
        let own = ["sshd", "exim", "systemd"];
        assert!(own.into_iter().any(is_event), "{words}");
        assert!(!is_event("app"), "{words}");
    }
}
