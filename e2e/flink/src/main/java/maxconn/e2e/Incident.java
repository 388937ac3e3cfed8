package maxconn.e2e;

import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.kafka.common.utils.Utils;

/**
 * The log of a hundred mail servers, made from a seed: record {@code index} is always the same. About 1.5 % are
 * refusals: floods that span servers (and so partitions), a service's limit on one server, and users who stay
 * below the threshold. After the last record come {@link #CLOSING} refusals an hour later, of as many users, on each
 * partition: they move the time of every partition on, so that all floods have gone quiet. The last of them may wait
 * for later ones, which do not come.
 *
 * <p>What the rules must make of it follows from how it is made, and is not worked out by our own code.
 */
final class Incident {
    static final int HOSTS = 100;
    private static final int CLOSING = 4;
    private static final int CLOSING_STEP_MS = 1_000;
    /** From this one on, servers send JSON. */
    private static final int FIRST_JSON_HOST = 80;
    private static final byte[] JSON = "json".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] TEXT = "text".getBytes(StandardCharsets.US_ASCII);
    private static final int HOUR_MS = 3_600_000;

    /** The built-in rule's: the refusal that opens a flood is held back. */
    private static final int THRESHOLD = 30;
    private static final int SERVICE_THRESHOLD = 3;
    private static final int WITHIN_MS = 60_000;
    /** A flood may come back after that: longer than it takes to go quiet. */
    private static final int PAUSE_MS = 11 * 60_000;
    /** More than the ten that the rules of distinct users and addresses ask for. */
    private static final int MEMBERS = 12;
    private static final int BACKGROUND_USERS = 1_500;

    private static final int NORMAL = -1;
    private static final int BACKGROUND = -2;

    private enum Cause { ONE_CLIENT, MANY_USERS, MANY_ADDRESSES, SERVICE }

    /** What one flood is about; several may be, one after the other. */
    private record Subject(Cause cause, int number, int host) {
        String rule() {
            return switch (cause) {
                case ONE_CLIENT -> "userip";
                case MANY_USERS -> "many-users-one-ip";
                case MANY_ADDRESSES -> "one-user-many-ips";
                case SERVICE -> "service-limit";
            };
        }

        /** As `maxconn.flood.key` shows it. */
        String key() {
            return switch (cause) {
                case ONE_CLIENT -> "imap-login|" + user(0) + "|" + address(0);
                case MANY_USERS -> address(0);
                case MANY_ADDRESSES -> user(0);
                case SERVICE -> hostName(host) + "|imap|process_limit";
            };
        }

        String user(int member) {
            return cause == Cause.MANY_USERS ? "staff" + number + "-" + member : "user" + number;
        }

        String address(int member) {
            return "198.19." + number + "." + (cause == Cause.MANY_ADDRESSES ? member : 1);
        }
    }

    private static final class Flood {
        final Subject subject;
        final long endMs;
        final List<Integer> records = new ArrayList<>();

        Flood(Subject subject, long endMs) {
            this.subject = subject;
            this.endMs = endMs;
        }

        boolean opens() {
            return records.size() >= (subject.cause == Cause.SERVICE ? SERVICE_THRESHOLD : THRESHOLD);
        }
    }

    private final String day;
    private final long dayMs;
    private final int records;
    private final int stepMs;
    private final byte[] hosts;
    /** A flood's number, or one of the constants above. */
    private final short[] causes;
    private final byte[] members;
    private final BitSet heldBack = new BitSet();
    private final List<Flood> floods = new ArrayList<>();
    private final int[] partitionOfHost;

    /** {@code lanes}: how many floods go on at a time; {@code stepMs}: from one record to the next. */
    Incident(LocalDate day, int records, int stepMs, int lanes, long seed) {
        this.day = day.toString();
        dayMs = day.atStartOfDay(ZoneOffset.UTC).toInstant().toEpochMilli();
        this.records = records;
        this.stepMs = stepMs;
        partitionOfHost = IntStream.range(0, HOSTS)
                .map(host -> Utils.toPositive(Utils.murmur2(key(host))) % Broker.PARTITIONS).toArray();
        hosts = new byte[size()];
        causes = new short[size()];
        members = new byte[size()];
        Flood[] open = new Flood[lanes];
        SplittableRandom random = new SplittableRandom(seed);
        for (int index = 0; index < records; index++) {
            hosts[index] = (byte) random.nextInt(HOSTS);
            causes[index] = NORMAL;
            if (random.nextInt(1000) < 15) {
                if (random.nextInt(5) == 0) {
                    causes[index] = (short) (BACKGROUND - random.nextInt(BACKGROUND_USERS));
                } else {
                    place(index, open, random);
                }
            }
        }
        for (int index = records; index < size(); index++) {
            int partition = (index - records) % Broker.PARTITIONS;
            hosts[index] = (byte) IntStream.range(0, HOSTS)
                    .filter(host -> partitionOfHost[host] == partition).findFirst()
                    .orElseThrow(() -> new Failure("no server's key falls into partition " + partition));
            causes[index] = (short) (BACKGROUND - BACKGROUND_USERS - (index - records));
        }
        judge();
    }

    int size() {
        return records + CLOSING * Broker.PARTITIONS;
    }

    /** How many records, at the end, may wait for later ones. */
    int waiting() {
        return CLOSING * Broker.PARTITIONS;
    }

    int partition(int index) {
        return partitionOfHost[hosts[index]];
    }

    byte[] keyOf(int index) {
        return key(hosts[index]);
    }

    int host(int index) {
        return hosts[index];
    }

    /** What a header of the record says. */
    byte[] format(int index) {
        return isJson(index) ? JSON : TEXT;
    }

    boolean isEvent(int index) {
        return causes[index] != NORMAL;
    }

    /** Whether the record, an event, goes on. */
    boolean goesOn(int index) {
        return !heldBack.get(index);
    }

    long timeMs(int index) {
        int beyond = index - records;
        return dayMs + (beyond < 0
                ? (long) index * stepMs
                : (long) records * stepMs + HOUR_MS + (long) beyond * CLOSING_STEP_MS);
    }

    /** The record of a time, or -1. */
    int indexAt(long timeMs) {
        long since = timeMs - dayMs;
        long index = since < (long) records * stepMs
                ? since / stepMs
                : records + (since - (long) records * stepMs - HOUR_MS) / CLOSING_STEP_MS;
        return index >= 0 && index < size() && timeMs(Math.toIntExact(index)) == timeMs ? (int) index : -1;
    }

    /** All floods: the counts of each rule and key, in ascending order. */
    Map<String, List<Integer>> totals() {
        Map<String, List<Integer>> totals = new TreeMap<>();
        for (Flood flood : floods) {
            if (flood.opens()) {
                String name = flood.subject.rule() + " " + flood.subject.key();
                totals.computeIfAbsent(name, any -> new ArrayList<>()).add(flood.records.size());
            }
        }
        totals.values().forEach(counts -> counts.sort(null));
        return totals;
    }

    /** The record itself. */
    byte[] line(int index) {
        String said = said(index, message(index));
        return said.getBytes(StandardCharsets.ISO_8859_1);
    }

    /** What the enriched record has as its message. */
    String messageOf(int index) {
        return isJson(index) ? message(index) : said(index, message(index));
    }

    private boolean isJson(int index) {
        return hosts[index] >= FIRST_JSON_HOST;
    }

    private static byte[] key(int host) {
        return hostName(host).getBytes(StandardCharsets.ISO_8859_1);
    }

    private static String hostName(int host) {
        return "mail" + (100 + host);
    }

    private void place(int index, Flood[] open, SplittableRandom random) {
        // The refusals of a new flood come in one burst, so that it opens with the thirtieth whatever else there is.
        int lane = IntStream.range(0, open.length)
                .filter(it -> open[it] != null && open[it].records.size() < THRESHOLD).findFirst()
                .orElseGet(() -> random.nextInt(open.length));
        Flood flood = open[lane];
        if (flood == null || flood.records.size() >= THRESHOLD && timeMs(index) > flood.endMs) {
            flood = new Flood(subject(index, open, random), timeMs(index) + random.nextInt(4 * 60_000, 10 * 60_000));
            floods.add(flood);
            open[lane] = flood;
        }
        causes[index] = (short) floods.indexOf(flood);
        members[index] = (byte) (flood.records.size() % MEMBERS);
        if (flood.subject.cause == Cause.SERVICE) {
            hosts[index] = (byte) flood.subject.host;
        }
        flood.records.add(index);
    }

    /** A new one, or one whose flood went quiet long ago. */
    private Subject subject(int index, Flood[] open, SplittableRandom random) {
        if (random.nextInt(3) == 0) {
            for (Flood flood : floods) {
                long lastMs = floods.stream().filter(it -> it.subject.equals(flood.subject))
                        .mapToLong(it -> timeMs(it.records.get(it.records.size() - 1))).max().orElseThrow();
                if (timeMs(index) - lastMs > PAUSE_MS
                        && Arrays.stream(open).noneMatch(it -> it != null && it.subject.equals(flood.subject))) {
                    return flood.subject;
                }
            }
        }
        Cause cause = Cause.values()[floods.size() % Cause.values().length];
        return new Subject(cause, floods.size(), floods.size() % HOSTS);
    }

    private void judge() {
        for (Flood flood : floods) {
            List<Integer> indexes = flood.records;
            if (indexes.size() < THRESHOLD) {
                continue;
            }
            if (timeMs(indexes.get(THRESHOLD - 1)) - timeMs(indexes.get(0)) >= WITHIN_MS) {
                throw new Failure("the generator's burst is too slow for a flood to open with it");
            }
            if (flood.subject.cause == Cause.ONE_CLIENT) {
                indexes.subList(THRESHOLD - 1, indexes.size()).forEach(heldBack::set);
            }
        }
    }

    private String said(int index, String message) {
        long ms = timeMs(index) - dayMs;
        String time = day + "T" + two(ms / 3_600_000) + ":" + two(ms / 60_000 % 60) + ":" + two(ms / 1000 % 60) + "."
                + (char) ('0' + ms / 100 % 10) + two(ms % 100);
        String host = hostName(hosts[index]);
        return isJson(index)
                ? "{\"@timestamp\":\"" + time + "Z\",\"host\":\"" + host + "\",\"message\":\"" + message + "\"}"
                : time + "+00:00 " + host + " " + message;
    }

    private String message(int index) {
        long mixed = mix(index);
        int cause = causes[index];
        if (cause == NORMAL) {
            return normal(mixed);
        }
        if (cause >= 0) {
            Subject subject = floods.get(cause).subject;
            return subject.cause == Cause.SERVICE
                    ? "dovecot: master: Warning: service(imap): process_limit (1024) reached, "
                            + "client connections are being dropped"
                    : refusal(subject.user(members[index]), subject.address(members[index]), mixed);
        }
        int user = BACKGROUND - cause;
        return refusal("guest" + user, "198.18." + user / 200 + "." + user % 200, mixed);
    }

    /** The line that Dovecot writes, behind the name of the host. */
    static String refusal(String user, String address, long mixed) {
        return "dovecot: imap-login: Info: Disconnected: Maximum number of connections from user+IP exceeded "
                + "(mail_max_userip_connections=10): user=<" + user + ">, method=PLAIN, rip=" + address
                + ", lip=192.0.2.10, TLS, session=<" + session(mixed) + ">";
    }

    private static String normal(long mixed) {
        long number = mixed >>> 40;
        String user = "user" + number % 5000;
        String address = "198.51.100." + number % 250;
        // One of a thousand users has a name that looks like a refusal.
        if (mixed % 1000 == 0) {
            user = "Maximum number of connections from user+IP exceeded (mail_max_userip_connecti...";
        }
        return switch ((int) (mixed >>> 32 & 7)) {
            case 0, 1 -> "dovecot: imap-login: Login: user=<" + user + ">, method=PLAIN, rip=" + address
                    + ", lip=192.0.2.10, mpid=" + number % 60_000 + ", TLS, session=<" + session(mixed) + ">";
            case 2, 3 -> "dovecot: imap(" + user + ")<" + number % 60_000 + "><" + session(mixed)
                    + ">: Disconnected: Logged out in=" + number % 4000 + " out=" + number % 90_000
                    + " deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=0 body_bytes=0";
            case 4 -> "dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<" + user
                    + ">, method=PLAIN, rip=" + address + ", lip=192.0.2.10, TLS, session=<" + session(mixed) + ">";
            case 5 -> "dovecot: lmtp(" + user + ")<" + number % 60_000 + "><" + session(mixed)
                    + ">: sieve: msgid=<" + session(mixed) + "@example.org>: stored mail into mailbox 'INBOX'";
            case 6 -> "postfix/smtpd[" + number % 60_000 + "]: connect from client.example.net[" + address + "]";
            default -> "postfix/qmgr[" + number % 60_000 + "]: " + session(mixed) + ": from=<" + number
                    + "@example.org>, size=" + number % 90_000 + ", nrcpt=1 (queue active)";
        };
    }

    private static String session(long mixed) {
        return Long.toString(mixed >>> 8, 36);
    }

    private static long mix(int index) {
        return new SplittableRandom(index).nextLong() & Long.MAX_VALUE;
    }

    private static String two(long number) {
        return "" + (char) ('0' + number / 10) + (char) ('0' + number % 10);
    }
}
