package maxconn.flink;

import static java.nio.charset.StandardCharsets.UTF_8;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/**
 * Measures the job without source and sink: lines from memory, what goes on is thrown away. Arguments: parallelism,
 * records, of how many records one is an event, and the state backend.
 */
public final class MemoryBench {
    private static final int USERS = 200;
    private static final String LOGIN =
            "imap-login: Info: Login: user=<u%d@example.org>, method=PLAIN, rip=198.51.100.%d, "
            + "lip=192.0.2.1, mpid=%d, TLS, session=<T5eqHeNgpOB/AAAB>";
    private static final String REFUSAL =
            "imap-login: Info: Disconnected: Maximum number of connections from user+IP exceeded "
            + "(mail_max_userip_connections=10): user=<u%d@example.org>, method=PLAIN, rip=198.51.100.%d, "
            + "lip=192.0.2.1, TLS, "
            + "session=<abc>";

    private MemoryBench() {}

    /** Runs it three times; the first warms up. */
    public static void main(String[] arguments) throws Exception {
        int parallelism = Integer.parseInt(arguments[0]);
        long records = Long.parseLong(arguments[1]);
        int every = Integer.parseInt(arguments[2]);
        for (int round = 0; round < 3; round++) {
            Configuration flink = new Configuration();
            flink.setString("state.backend.type", arguments[3]);
            var environment = StreamExecutionEnvironment.createLocalEnvironment(parallelism, flink);
            environment.getConfig().enableObjectReuse();
            environment.setMaxParallelism(128);
            var source = new DataGeneratorSource<>(new Lines(every), records, LogRecord.TYPE);
            var stream = environment.fromSource(source, WatermarkStrategy.noWatermarks(), "memory", LogRecord.TYPE);
            TimeSettings time = TimeSettings.of(Logs.DEFAULTS, 30_000, 0, false);
            var out = MaxconnJob.detect(stream, Logs.DEFAULTS, time, false);
            out.passed().sinkTo(new DiscardingSink<>());
            out.enriched().sinkTo(new DiscardingSink<>());
            out.alerts().sinkTo(new DiscardingSink<>());
            long start = System.nanoTime();
            environment.execute();
            double seconds = (System.nanoTime() - start) / 1e9;
            System.out.printf("p=%d, one event in %d, %s: %,d records in %.1f s, %,.0f records/s%n",
                    parallelism, every, arguments[3], records, seconds, records / seconds);
        }
    }

    /** The same lines again and again, a thousand of them a second of their time. */
    private record Lines(int every, byte[][] logins, byte[][] refusals) implements GeneratorFunction<Long, LogRecord> {
        Lines(int every) {
            this(every, made(LOGIN), made(REFUSAL));
        }

        private static byte[][] made(String form) {
            byte[][] lines = new byte[USERS][];
            for (int user = 0; user < USERS; user++) {
                lines[user] = form.formatted(user, user % 250 + 1, 1000 + user).getBytes(UTF_8);
            }
            return lines;
        }

        @Override
        public LogRecord map(Long number) {
            byte[][] lines = number % every == 0 ? refusals : logins;
            byte[] line = lines[(int) (number / every % USERS)];
            return new LogRecord(line, null, null, "logs", 0, number, Logs.START_MS + number / 1_000 * 1_000,
                    MaxconnGuest.NO_TIME);
        }
    }
}
