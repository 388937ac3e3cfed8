package maxconn.flink;

import org.apache.flink.api.java.functions.KeySelector;

/** The key of an event in one stage: that of the stage's rule, or one that spreads what no rule of the stage counts. */
record StageKey(Rules rules, int stage) implements KeySelector<Event, String> {
    private static final int SPREAD = 1 << 12;

    @Override
    public String getKey(Event event) {
        if (event.isEnd()) {
            return event.keys()[0];
        }
        int at = rules.keyIn(stage, event);
        return at >= 0 ? event.keys()[at] : "-" + event.record().offset() % SPREAD;
    }
}
