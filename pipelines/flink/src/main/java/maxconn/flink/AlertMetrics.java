package maxconn.flink;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;

/** What a step counts: alerts by their state, and late events. */
final class AlertMetrics {
    private static final byte[] ACTION = "\"action\":\"connection-limit-flood-".getBytes(StandardCharsets.US_ASCII);

    private final Map<String, Counter> alerts = new HashMap<>();
    private final Counter late;

    AlertMetrics(MetricGroup operator) {
        MetricGroup group = operator.addGroup("maxconn");
        for (String state : new String[] {"start", "ongoing", "end"}) {
            alerts.put(state, group.addGroup("state", state).counter("alerts"));
        }
        late = group.counter("late_events");
    }

    void late() {
        late.inc();
    }

    void alert(byte[] alert) {
        Counter counter = alerts.get(state(alert));
        if (counter != null) {
            counter.inc();
        }
    }

    /** The state that an alert tells of; empty if it tells of none. */
    static String state(byte[] alert) {
        for (int at = 0; at + ACTION.length < alert.length; at++) {
            if (Arrays.equals(alert, at, at + ACTION.length, ACTION, 0, ACTION.length)) {
                int from = at + ACTION.length;
                int to = from;
                while (to < alert.length && alert[to] != '"') {
                    to++;
                }
                return new String(alert, from, to - from, StandardCharsets.US_ASCII);
            }
        }
        return "";
    }
}
