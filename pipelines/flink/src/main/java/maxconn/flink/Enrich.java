package maxconn.flink;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.metrics.Counter;
import org.apache.flink.util.Collector;

/** Writes the records that no step held back with the fields of their event. */
public final class Enrich extends RichFlatMapFunction<Event, LogRecord> {
    private static final long serialVersionUID = 1;

    private final byte[] configuration;
    private transient MaxconnGuest guest;
    private transient Sources sources;
    private transient Position position;
    private transient Counter passed;
    private transient Counter suppressed;

    /** Under a configuration that the guest takes. */
    public Enrich(byte[] configuration) {
        this.configuration = configuration;
    }

    @Override
    public void open(OpenContext context) {
        guest = new MaxconnGuest(configuration);
        sources = new Sources();
        position = new Position();
        var group = getRuntimeContext().getMetricGroup().addGroup("maxconn");
        passed = group.counter("passed_events");
        suppressed = group.counter("suppressed_events");
    }

    @Override
    public void flatMap(Event event, Collector<LogRecord> out) {
        if (event.isHeldBack()) {
            suppressed.inc();
            return;
        }
        LogRecord record = event.record();
        // The record's time is known and needs no clock: what the guest is told of one does not matter.
        sources.tell(guest, record, event.timeMs());
        byte[] document = guest.enrich(
                record.value(), event.timeMs(), Classify.offset(record), position.of(record), event.flood());
        passed.inc();
        // It waited while the configuration changed, and is an event no more.
        out.collect(document == null ? record : record.with(Classify.withoutNewline(document)));
    }
}
