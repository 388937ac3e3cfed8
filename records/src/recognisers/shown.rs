//! What people are shown of servers: their messages as they write them, and which servers write none. No guest carries it.

use super::Limit;

/// What people are shown of a server.
///
/// Its lines have fields between `«` and `»`: a time (as `strftime` has it), `user`, `database`, `ip`, `port`, `pid`, `n` (a
/// number that grows), `text` (anything that a client writes; `text:h` as HAProxy has it, `text:j` as JSON, `text:t` with line feeds that a tab follows), and first of
/// all `syslog NAME`, which is what syslog puts before the line of a program of that name.
#[derive(Debug)]
pub struct Shown {
    /// Its messages.
    pub examples: &'static [Example],
    /// Lines that are none and hold what a client writes, so that somebody might try to forge a message in them.
    pub others: &'static [&'static str],
}

/// A message: the limit that it speaks of, the versions, and a line.
///
/// `2.2+` is said since 2.2, `1.3–1.8` by these versions or seen with them, and nothing where that is not known.
pub type Example = (&'static Limit, &'static str, &'static str);

/// What writes nothing when it refuses a connection.
#[derive(Clone, Copy, Debug)]
pub struct Silent {
    /// The server.
    pub name: &'static str,
    /// The limit.
    pub limit: &'static str,
    /// What happens there.
    pub what: &'static str,
    /// What to watch instead.
    pub watch: &'static str,
}

/// Those that are known to be silent.
pub const SILENT: &[Silent] = &[
    silent(
        "Redis, Valkey",
        "maxclients",
        "the client is told `ERR max number of clients reached`",
        "`rejected_connections` of INFO stats; `connected_clients` and `maxclients` of INFO clients",
    ),
    silent(
        "memcached",
        "-c",
        "the client is told `ERROR Too many open connections`",
        "`rejected_connections`, `listen_disabled_num` and `curr_connections` of stats",
    ),
    silent(
        "MySQL, MariaDB",
        "max_connections, max_user_connections",
        "the error log says nothing at any verbosity",
        "`Connection_errors_max_connections` and `Max_used_connections` of SHOW GLOBAL STATUS; the applications' logs and MariaDB's plugins server_audit and sql_errlog, which are recognised",
    ),
    silent(
        "HAProxy",
        "maxconn of a frontend, of the process",
        "connections wait in the kernel",
        "`CurrConns` and `Maxconn` of show info, `scur` and `slim` of show stat; `ss -ltn`",
    ),
    silent(
        "Varnish",
        "thread_pool_max",
        "it only counts",
        "`MAIN.sess_dropped`, `MAIN.sess_queued` and `MAIN.threads_limited` of varnishstat",
    ),
    silent(
        "Tomcat",
        "maxConnections",
        "connections wait in the kernel",
        "`connectionCount` and `maxConnections` of its thread pools by JMX; `ss -ltn`",
    ),
    silent(
        "OpenSSH to 8.1",
        "MaxStartups",
        "it speaks below the default level only",
        "LogLevel VERBOSE of sshd_config, since 7.8",
    ),
    silent(
        "vsftpd with syslog_enable",
        "max_clients, max_per_ip",
        "the client is told, syslog is not",
        "its own file (`vsftpd_log_file`), which is recognised",
    ),
    silent(
        "Samba",
        "max smbd processes",
        "connections are closed",
        "`smbstatus`",
    ),
    silent(
        "ejabberd",
        "max_user_sessions",
        "the oldest session is closed",
        "`ejabberdctl connected_users_number`",
    ),
    silent(
        "OpenLDAP",
        "descriptors",
        "it has no limit of connections",
        "`cn=Connections,cn=Monitor`; that descriptors are used up is recognised (open-files)",
    ),
    silent(
        "Linux",
        "a full accept queue",
        "connections are dropped",
        "`nstat -az TcpExtListenOverflows TcpExtListenDrops`; `ss -ltn`",
    ),
];

const fn silent(
    name: &'static str,
    limit: &'static str,
    what: &'static str,
    watch: &'static str,
) -> Silent {
    Silent {
        name,
        limit,
        what,
        watch,
    }
}
