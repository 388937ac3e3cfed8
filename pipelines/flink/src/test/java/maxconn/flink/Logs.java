package maxconn.flink;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

/** Records and events for tests, as they are in operation. */
final class Logs {
    static final byte[] DEFAULTS = "{}".getBytes(UTF_8);
    /** 2026-03-01 00:00 UTC. */
    static final long START_MS = 1_772_323_200_000L;

    private final MaxconnGuest guest;
    private final Rules rules;

    Logs(byte[] configuration) {
        guest = new MaxconnGuest(configuration);
        rules = guest.rules();
    }

    /** A Kafka record of a refusal. */
    static LogRecord refusal(String user, String ip, int partition, long offset, long timeMs) {
        return record("imap-login: Info: Disconnected: Maximum number of connections from user+IP exceeded "
                + "(mail_max_userip_connections=10): user=<" + user + ">, method=PLAIN, rip=" + ip
                + ", lip=192.0.2.1, TLS, session=<abc>", partition, offset, timeMs);
    }

    static LogRecord record(String line, int partition, long offset, long timeMs) {
        return new LogRecord(line.getBytes(UTF_8), null, null, "logs", partition, offset, timeMs, MaxconnGuest.NO_TIME);
    }

    /** What {@link Classify} makes of it. */
    Event event(LogRecord record) {
        int count = guest.observe(record.value(), record.timeMs(), -1, new Position().of(record));
        if (count <= 0) {
            throw new AssertionError("no event: " + new String(record.value(), UTF_8));
        }
        long timeMs = guest.i64(0);
        long[] identities = new long[count];
        String[] keys = new String[count];
        for (int number = 0; number < count; number++) {
            identities[number] = rules.list().get(guest.i8(8 + 33 * number)).identity();
            keys[number] = new String(guest.output(9 + 33 * number, 41 + 33 * number), ISO_8859_1);
        }
        return Event.of(record, timeMs, guest.output(8 + 33 * count, guest.outputLength()), identities, keys);
    }
}
