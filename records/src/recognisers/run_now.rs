//! What an administrator can run at once, by server: who is connected, and where the limit is set. No guest carries it.
//!
//! `%u` stands for the user, `%i` for the address, `%s` for the address as `ss` takes it. A line whose place cannot be filled is
//! left out; lines that begin with `# ` are for people. In them `%n` is the service, `%p` its protocol, `%l` the limit, `%m` twice
//! its value; what is not known of these stands there as a word in capitals.

const BY_ADDRESS: &str = "ss -tn state established dst %s";

/// The lines for a limit of a server or a pattern of one's own.
pub fn run_now(module: &str, limit: &str) -> &'static [&'static str] {
    match (module, limit) {
        ("dovecot", "mail_max_userip_connections" | "proxy_dest_connection_limit") => &[
            "doveadm who -1 %u",
            "doveadm who -1 %i",
            "doveadm kick %u %i",
            "# The setting: protocol %p { mail_max_userip_connections = %m } in /etc/dovecot/conf.d/20-%p.conf, then: doveadm reload",
        ],
        ("dovecot", "client_limit" | "process_limit") => &[
            "doveadm who",
            "doveconf service",
            "# The setting: service %n { %l = %m } in /etc/dovecot/conf.d/10-master.conf, then: doveadm reload",
        ],
        // Dovecot 1 has no doveadm.
        ("dovecot", "max_mail_processes") => &[
            "ps -eo user,args --sort=user | grep -E '[i]map|[p]op3'",
            "# The setting: max_mail_processes = %m in /etc/dovecot.conf, then a restart",
        ],
        ("dovecot", _) => &[
            "doveadm who",
            "doveconf service",
            "# The settings: service %n { client_limit = N, process_limit = N, each on a line of its own } in /etc/dovecot/conf.d/10-master.conf, then: \
             doveadm reload",
        ],
        ("postgresql", _) => &[
            "psql -c 'SELECT usename, datname, client_addr, application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC'",
            "psql -c 'SHOW max_connections'",
            "# The settings: max_connections of postgresql.conf (a restart is needed), or ALTER ROLE / ALTER DATABASE … CONNECTION LIMIT",
        ],
        ("mysql" | "mariadb", _) => &[
            "mysql -e \"SELECT user, SUBSTRING_INDEX(host, ':', 1) AS client, command, COUNT(*) FROM information_schema.processlist GROUP BY 1, 2, 3 ORDER BY 4 DESC\"",
            "mysql -e \"SHOW GLOBAL VARIABLES WHERE Variable_name IN ('max_connections', 'max_user_connections')\"",
            "# The settings: those above, with SET GLOBAL at once and within [mysqld] of my.cnf to stay; for one user: ALTER USER … WITH MAX_USER_CONNECTIONS",
        ],
        ("pgbouncer", _) => &[
            "psql -p 6432 pgbouncer -c 'SHOW POOLS'",
            "psql -p 6432 pgbouncer -c 'SHOW CLIENTS'",
            "# The settings: max_client_conn and its companions of /etc/pgbouncer/pgbouncer.ini, then: psql -p 6432 pgbouncer -c RELOAD",
        ],
        ("nginx", _) => &[
            BY_ADDRESS,
            "nginx -T | grep -nE 'limit_conn|worker_connections|worker_rlimit_nofile'",
            "# The settings: limit_conn where it is found above, worker_connections within events { } of nginx.conf, then: nginx -s reload",
        ],
        ("haproxy", _) => &[
            "echo 'show info' | socat stdio /run/haproxy/admin.sock",
            "echo 'show stat' | socat stdio /run/haproxy/admin.sock",
            "# The settings: maxconn of global, of the frontend and of its servers in /etc/haproxy/haproxy.cfg, then: systemctl reload haproxy",
        ],
        ("openssh", _) => &[
            "ss -tn state established sport = :22",
            "sshd -T | grep -iE 'maxstartups|persource|logingrace'",
            "# The settings: MaxStartups and PerSourceMaxStartups of /etc/ssh/sshd_config, then: systemctl reload ssh",
        ],
        ("postfix", _) => &[
            BY_ADDRESS,
            "postconf default_process_limit smtpd_client_connection_count_limit smtpd_client_connection_rate_limit",
            "# The settings: those above, set with postconf -e, and maxproc of the service in master.cf, then: postfix reload",
        ],
        ("exim", _) => &[
            "exiwhat",
            "exim -bP smtp_accept_max smtp_accept_max_per_host smtp_accept_reserve",
            "# The settings: those above in exim4.conf, then: systemctl reload exim4",
        ],
        ("apache", _) => &[
            "apachectl fullstatus",
            "# The settings: MaxRequestWorkers and ServerLimit of the mpm module's configuration, then a restart: apachectl graceful \
             does not raise ServerLimit",
        ],
        ("php-fpm", _) => &[
            "ps -eo pid,etime,rss,args --sort=-etime | grep '[p]hp-fpm: pool'",
            "# The settings: pm.max_children, request_terminate_timeout and slowlog of the pool's file in pool.d, then a reload of \
             php-fpm",
        ],
        ("proftpd", _) => &[
            "ftpwho -v",
            "# The settings: MaxClients, MaxClientsPerHost, MaxClientsPerUser, MaxInstances of proftpd.conf, then: systemctl reload proftpd",
        ],
        ("vsftpd", _) => &[
            BY_ADDRESS,
            "ss -tn state established sport = :21",
            "# The settings: max_clients and max_per_ip of vsftpd.conf, then: systemctl restart vsftpd",
        ],
        ("courier", _) => &[
            BY_ADDRESS,
            "# The settings: MAXPERIP and MAXDAEMONS of /etc/courier/imapd, then: systemctl restart courier-imap",
        ],
        ("cyrus", _) => &[
            "cyr_info proc",
            "# The settings: maxlogins_per_user and maxlogins_per_host of /etc/imapd.conf",
        ],
        ("xinetd", _) => &[
            BY_ADDRESS,
            "grep -nE 'instances|per_source|cps' /etc/xinetd.conf /etc/xinetd.d/*",
            "# The settings: those above, then: systemctl reload xinetd",
        ],
        ("mosquitto", _) => &[
            "mosquitto_sub -t '$SYS/broker/clients/#' -v -W 15",
            "# The setting: max_connections of the listener in mosquitto.conf, then: systemctl restart mosquitto",
        ],
        ("rabbitmq", _) => &[
            "rabbitmqctl list_connections user peer_host state connected_at",
            "rabbitmqctl list_user_limits --global",
            "rabbitmqctl list_vhost_limits --global",
            "# The settings: rabbitmqctl set_user_limits, set_vhost_limits, and connection_max of rabbitmq.conf",
        ],
        ("asterisk", _) => &[
            "asterisk -rx 'core show channels verbose'",
            "# The settings: maxcalls of asterisk.conf, sessionlimit of http.conf, then: asterisk -rx 'core reload'",
        ],
        ("kernel", _) => &[
            "ss -ltn",
            "sysctl net.core.somaxconn net.ipv4.tcp_max_syn_backlog net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",
            "# The settings: those above in /etc/sysctl.d, then sysctl --system; a listener's backlog is its program's",
        ],
        ("mongodb", _) => &[
            "mongosh --quiet --eval 'db.serverStatus().connections'",
            "# The setting: net.maxIncomingConnections of mongod.conf (a restart is needed)",
        ],
        ("kafka", _) => &[
            BY_ADDRESS,
            "ss -tn state established sport = :9092",
            "# The settings: max.connections.per.ip and its companions, which kafka-configs.sh can alter while it runs",
        ],
        ("systemd", _) => &[
            "systemctl list-sockets",
            "# The settings: MaxConnections= and MaxConnectionsPerSource= of the socket: systemctl edit NAME.socket",
        ],
        ("samba", _) => &[
            "smbstatus -b",
            "testparm -s 2>/dev/null | grep -i 'max connections'",
            "# The setting: max connections of the share in smb.conf, then: smbcontrol all reload-config",
        ],
        ("open-files", _) => &[
            "sysctl fs.file-nr fs.file-max",
            "# The setting: LimitNOFILE= of the service: systemctl edit NAME.service; who has how many: lsof -n | awk '{print $1}' | sort | uniq -c | sort -n",
        ],
        _ => &[BY_ADDRESS],
    }
}

#[cfg(test)]
mod tests {
    use super::super::SERVERS;
    use super::*;

    #[test]
    fn every_server_has_its_lines_and_no_line_has_an_unknown_place() {
        assert_eq!(run_now("myapp", "session_limit"), [BY_ADDRESS]);
        for server in SERVERS {
            for limit in server.limits {
                let lines = run_now(server.name, limit.name);
                assert!(lines.len() > 1, "{} {}", server.name, limit.name);
                for line in lines {
                    let known = if line.starts_with('#') { "nplm" } else { "uis" };
                    let mut places = line.split('%').skip(1);
                    let are_known = places.all(|it| it.starts_with(|it| known.contains(it)));
                    assert!(are_known && !line.contains('\n'), "{line}");
                }
            }
        }
    }
}
