package maxconn.flink;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;

/**
 * What a subtask's guest counts, under the names that {@code maxconn run} has for Prometheus
 * ({@code maxconn_records_total} is {@code maxconn.records} here; Flink's reporters put their own prefix before it).
 * Flink adds up subtasks.
 */
final class GuestMetrics {
    private static final long EVERY_MS = 5_000;

    private final MetricGroup group;
    private final Counter records;
    private final Counter malformed;
    private final Counter unrecognised;
    private final Counter untimed;
    private final Map<String, Counter> events = new HashMap<>();
    private volatile long memoryBytes;
    private long unread;
    private long refreshedMs = MaxconnGuest.NO_TIME;

    GuestMetrics(MetricGroup operator) {
        group = operator.addGroup("maxconn");
        records = group.counter("records");
        malformed = group.counter("malformed_records");
        unrecognised = group.counter("unrecognised_records");
        untimed = group.counter("untimed_events");
        group.gauge("guest_memory_bytes", () -> memoryBytes);
    }

    /** A record was too large for the guest. */
    void unread() {
        unread++;
    }

    void refresh(MaxconnGuest guest, long nowMs) {
        if (refreshedMs == MaxconnGuest.NO_TIME || nowMs - refreshedMs >= EVERY_MS) {
            refreshedMs = nowMs;
            refreshNow(guest);
        }
    }

    void refreshNow(MaxconnGuest guest) {
        JsonNode figures = guest.statistics();
        raise(records, figures.path("records").asLong() + unread);
        raise(malformed, figures.path("malformed").asLong() + unread);
        raise(unrecognised, figures.path("unrecognised").asLong());
        raise(untimed, figures.path("untimed").asLong());
        figures.path("events").properties().forEach(limit -> {
            Counter counter = events.computeIfAbsent(
                    limit.getKey(), name -> group.addGroup("limit", name).counter("events"));
            raise(counter, limit.getValue().asLong());
        });
        memoryBytes = guest.memoryBytes();
    }

    private static void raise(Counter counter, long to) {
        counter.inc(to - counter.getCount());
    }
}
