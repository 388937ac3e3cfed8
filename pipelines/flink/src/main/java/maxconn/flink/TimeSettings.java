package maxconn.flink;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What time is judged by.
 *
 * @param latenessMs the configuration's {@code allowed_lateness}
 * @param farMs what lies further back is another time: the largest {@code quiet} of all rules and the lateness
 * @param settleMs how long a partition must keep no more than twice the pace of the clock to be no longer waited for
 * @param holdMs for how long a subtask that starts keeps all back, so that each of its partitions can be heard of;
 *     {@link Long#MAX_VALUE}: to the end of the input
 * @param isOfText whether a Kafka record has the time that its text says, and not its own timestamp
 */
public record TimeSettings(long latenessMs, long farMs, long settleMs, long holdMs,
        boolean isOfText) implements Serializable {
    private static final long DEFAULT_LATENESS_MS = 5_000;
    /** Of each built-in rule, and of one's own that does not say. */
    private static final long DEFAULT_QUIET_MS = 300_000;
    private static final Pattern DURATION = Pattern.compile("([0-9]+)(ms|s|m|h|d)");
    private static final Map<String, Long> UNITS_MS =
            Map.of("ms", 1L, "s", 1_000L, "m", 60_000L, "h", 3_600_000L, "d", 86_400_000L);

    /**
     * What a configuration says that the guest has taken. A rule that is turned off counts for {@code farMs}, too,
     * which is the longer for it: a clock that is wrong is believed a little later then, and no flood ends early.
     */
    public static TimeSettings of(byte[] configuration, long settleMs, long holdMs, boolean isOfText) {
        JsonNode root;
        try {
            root = new ObjectMapper().readTree(configuration);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        long latenessMs = durationMs(root.path("allowed_lateness"), DEFAULT_LATENESS_MS);
        long quietMs = DEFAULT_QUIET_MS;
        for (JsonNode rule : root.path("rule")) {
            quietMs = Math.max(quietMs, durationMs(rule.path("quiet"), 0));
        }
        return new TimeSettings(latenessMs, quietMs + latenessMs, settleMs, holdMs, isOfText);
    }

    /** The time that the guest is told of a record, {@link MaxconnGuest#NO_TIME} if it is to read it. */
    long toldMs(LogRecord record) {
        return isOfText ? MaxconnGuest.NO_TIME : record.timeMs();
    }

    private static long durationMs(JsonNode text, long otherwiseMs) {
        if (!text.isTextual()) {
            return otherwiseMs;
        }
        long totalMs = 0;
        for (Matcher part = DURATION.matcher(text.asText()); part.find(); ) {
            totalMs += Long.parseLong(part.group(1)) * UNITS_MS.get(part.group(2));
        }
        return totalMs;
    }
}
