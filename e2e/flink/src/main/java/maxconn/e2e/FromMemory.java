package maxconn.e2e;

import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.concurrent.atomic.AtomicLong;
import maxconn.flink.LogRecord;
import maxconn.flink.MaxconnGuest;
import maxconn.flink.MaxconnJob;
import maxconn.flink.TimeSettings;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/**
 * How fast records from memory are taken, within one process: by the product's job, and by one that recognises by
 * regular expressions. Arguments: maxconn or regex (all servers' messages), maxconn-dovecot or regex-dovecot (Dovecot's
 * alone); parallelism; how many records. Writes {@code RECORDS_PER_SECOND=n}.
 */
public final class FromMemory {
    private static final int LINES = 50_000;
    private static final int STEP_MS = 4;
    private static final LocalDate DAY = LocalDate.of(2026, 3, 1);
    private static final long START_MS = DAY.atStartOfDay(ZoneOffset.UTC).toInstant().toEpochMilli();
    private static final byte[][] VALUES = values();
    /** Of all subtasks the last; what comes before the warm part does not count. */
    private static final AtomicLong WARM_NS = new AtomicLong(Long.MIN_VALUE);
    private static final AtomicLong END_NS = new AtomicLong(Long.MIN_VALUE);

    private FromMemory() {}

    public static void main(String[] arguments) throws Exception {
        int parallelism = Integer.parseInt(arguments[1]);
        long perSubtask = Long.parseLong(arguments[2]) / parallelism;
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.createLocalEnvironment(parallelism, new Configuration());
        environment.getConfig().enableObjectReuse();
        var source = new DataGeneratorSource<>(new Record(perSubtask), perSubtask * parallelism, LogRecord.TYPE);
        DataStream<LogRecord> records =
                environment.fromSource(source, WatermarkStrategy.noWatermarks(), "memory", LogRecord.TYPE);
        switch (arguments[0]) {
            case "maxconn", "maxconn-dovecot" -> {
                String servers = arguments[0].equals("maxconn") ? "{}" : "{\"servers\":[\"dovecot\"]}";
                byte[] configuration = servers.getBytes(StandardCharsets.UTF_8);
                TimeSettings time = TimeSettings.of(configuration, 30_000, 0, false);
                var out = MaxconnJob.detect(records, configuration, time, false);
                out.passed().sinkTo(new DiscardingSink<>());
                out.enriched().sinkTo(new DiscardingSink<>());
                out.alerts().sinkTo(new DiscardingSink<>());
            }
            case "regex-dovecot" -> RegexPipeline.build(records, Patterns.DOVECOT);
            default -> RegexPipeline.build(records, Patterns.ALL);
        }
        environment.execute();
        double seconds = (END_NS.get() - WARM_NS.get()) / 1e9;
        System.out.printf("RECORDS_PER_SECOND=%.0f%n", perSubtask * parallelism * 3 / 4 / seconds);
    }

    /** The record of a number: each subtask's own partition, its time going on evenly. */
    private record Record(long perSubtask) implements GeneratorFunction<Long, LogRecord> {
        @Override
        public LogRecord map(Long number) {
            long offset = number % perSubtask;
            if (offset == perSubtask / 4) {
                WARM_NS.accumulateAndGet(System.nanoTime(), Math::max);
            } else if (offset == perSubtask - 1) {
                END_NS.accumulateAndGet(System.nanoTime(), Math::max);
            }
            return new LogRecord(VALUES[(int) (offset % LINES)], null, null, "memory", (int) (number / perSubtask),
                    offset, START_MS + offset * STEP_MS, MaxconnGuest.NO_TIME);
        }
    }

    private static byte[][] values() {
        Incident incident = new Incident(DAY, LINES, STEP_MS, 1, 1);
        byte[][] values = new byte[LINES][];
        for (int index = 0; index < LINES; index++) {
            values[index] = incident.line(index);
        }
        return values;
    }
}
