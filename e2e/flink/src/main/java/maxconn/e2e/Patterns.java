package maxconn.e2e;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Recognition as somebody would write it with {@link Pattern} alone, for comparison: the messages of docs/servers.md,
 * each searched in every line, since none says which server wrote it.
 */
final class Patterns {
    /** Dovecot's two that the incident holds. */
    static final List<Pattern> DOVECOT = compile(
            "Maximum number of connections from user\\+IP exceeded "
                    + "\\(mail_max_userip_connections=?(?<limit>\\d*)\\).*?: "
                    + "user=<(?<user>[^>]*)>.*?, rip=(?<ip>[^,]+)",
            "service\\((?<service>[^)]+)\\): (?<name>process_limit|client_limit)(?: \\(\\d+\\))? reached, "
                    + "client connections are being dropped");

    /** All servers'; Dovecot's come first. */
    static final List<Pattern> ALL = Stream.concat(DOVECOT.stream(), compile(
            "proxy dest connection limit reached to (?<ip>\\S+) \\(proxy_dest_connection_limit\\)",
            "Connection queue full",
            "Maximum number of mail processes exceeded",
            "Anvil queries timed out after \\d+ secs",
            "FATAL:?\\s+sorry, too many clients already",
            "FATAL:?\\s+remaining connection slots are reserved for",
            "FATAL:?\\s+too many connections for (?:role|database) \"(?<user>[^\"]+)\"",
            "number of requested standby connections exceeds \"?max_wal_senders",
            ",FATAL,53300,",
            "Too many connections",
            "User '(?<user>[^']+)' has exceeded the '(?<name>[^']+)' resource",
            ",(?:DISCONNECT|FAILED_CONNECT),,,(?:1040|1226)$",
            "closing because: (?:no more connections allowed|client connections exceeded) \\((?<name>[^)]+)\\)",
            "limiting connections(?:, dry run,)? by zone \"(?<zone>[^\"]+)\", client: (?<ip>[^,]+)",
            "\\d+ worker_connections are not enough",
            " (?:sQ|SQ)\\S* \\d+/\\d+/\\d+/\\d+/\\d+ \\d+/\\d+",
            "Proxy \\S+ reached (?:process FD|system FD|system memory|the configured maximum connection) limit",
            "drop connection #\\d+ from \\[(?<ip>[^\\]]+)\\]:\\d+ on \\[[^\\]]+\\]:\\d+ (?:past )?(?i:maxstartups)",
            "beginning MaxStartups throttling",
            "(?i:maxstartups|PerSourcePenalties) logging rate-limited: additional (?<count>\\d+) connections dropped",
            "Connection (?:concurrency|rate) limit exceeded: \\d+ from \\S+\\[(?<ip>[^\\]]+)\\] "
                    + "for service (?<service>\\S+)",
            "reject: (?i:connect) from \\[(?<ip>[^\\]]+)\\]:\\d+: "
                    + "(?:too many connections|all (?:screening|server) ports busy)",
            "service \"(?<service>[^\"]+)\" \\([^)]*\\) has reached its process limit",
            "Connection from \\[(?<ip>[^\\]]+)\\](?::\\d+)? refused: too many connections",
            "temporarily refused connection from \\[(?<ip>[^\\]]+)\\]",
            "server reached (?:MaxRequestWorkers|MaxClients) setting",
            "\\[pool (?<pool>[^\\]]+)\\] server reached (?:pm\\.)?max_children setting",
            "\\[(?<ip>[^\\]]+)\\]\\): Connection refused \\((?<name>Max\\w+)",
            "(?:MaxInstances|MaxConnectionRate) \\([^)]+\\) reached, new connection denied",
            "Client \"(?<ip>[^\"]+)\", \"Connection refused: too many sessions",
            "Maximum connection limit reached for (?<ip>\\S+)",
            "\\d+ maximum active connections",
            "Too many open connections \\(\\d+ of \\d+ (?:for|from) (?<user>\\S+)",
            "FAIL: (?<service>\\S+) (?:service_limit|per_source_limit|connections per second|process_limit) "
                    + "from=(?<ip>\\S+)",
            "Deactivating service (?<service>\\S+) due to excessive incoming connections",
            "Client connection from (?<ip>\\S+) denied: max_connections exceeded",
            "connection refused(?: for user '(?<user>[^']+)')?: (?:user|node) connection limit \\(\\d+\\) is reached",
            "access to vhost '(?<vhost>[^']+)' refused for user '(?<user>[^']+)': connection limit",
            "HTTP session count exceeded \\d+ sessions",
            "Maximum call limit of \\d+ calls exceeded",
            "Possible SYN flooding on port",
            "nf_conntrack: table full",
            "(?i:connection refused because (?:there are )?too many open connections)",
            "Rejected connection from /(?<ip>[^,]+), address already has the configured maximum",
            "Too many incoming connections \\(\\d+\\)",
            "Max connections \\(\\d+\\) exceeded for",
            "Too many open files").stream()).toList();

    /** Which host says it, in a text line or as a member. */
    private static final Pattern HOST = Pattern.compile("^(?:\\S+ (?<text>\\S+) |\\{.*\"host\":\"(?<json>[^\"]*)\")");

    private Patterns() {}

    /** The key of the first that is found: service, user and address, or host and limit; null without one. */
    static String key(List<Pattern> patterns, String line) {
        for (int index = 0; index < patterns.size(); index++) {
            Matcher matcher = patterns.get(index).matcher(line);
            if (matcher.find()) {
                return index == 0
                        ? "imap-login|" + matcher.group("user") + "|" + matcher.group("ip")
                        : index + "|" + host(line);
            }
        }
        return null;
    }

    private static String host(String line) {
        Matcher matcher = HOST.matcher(line);
        if (!matcher.find()) {
            return "";
        }
        return matcher.group("text") == null ? matcher.group("json") : matcher.group("text");
    }

    private static List<Pattern> compile(String... patterns) {
        return Stream.of(patterns).map(Pattern::compile).toList();
    }
}
