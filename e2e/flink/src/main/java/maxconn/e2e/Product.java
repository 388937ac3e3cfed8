package maxconn.e2e;

import java.nio.file.Files;
import java.nio.file.Path;

/** The product's job: its settings, and how it is started. */
final class Product {
    private static final String MAIN = "maxconn.flink.MaxconnJob";

    enum Mode {
        LIVE,
        /** The job ends where the topic ends now. */
        BOUNDED,
        /** None but those that are asked for. */
        NO_CHECKPOINTS
    }

    private final Layout layout;
    private final Broker broker;
    private final Cluster cluster;

    Product(Layout layout, Broker broker, Cluster cluster) {
        this.layout = layout;
        this.broker = broker;
        this.cluster = cluster;
    }

    /** Writes a settings file. Each has topics and a folder of its own. */
    Path settings(String name, Path configuration, String in, String records, String alerts, Mode mode)
            throws Exception {
        return Files.writeString(layout.folder(name).resolve("maxconn-flink.properties"), """
                config = %s
                kafka.bootstrap.servers = %s
                source.topics = %s
                source.start = earliest
                source.stop = %s
                sink.records.topic = %s
                sink.alerts.topic = %s
                # Each job has its own.
                sink.transactions = %s
                checkpoint.every = %s
                state.backend = rocksdb
                # The incident comes a hundred times as fast as it happened, from the first record to the last: each
                # partition waits for the others, and is waited for until it has been heard of.
                time.settle = 10m
                time.hold = 15s
                """.formatted(configuration, broker.address, in, mode == Mode.BOUNDED ? "latest" : "never", records,
                        alerts, name, mode == Mode.NO_CHECKPOINTS ? "1h" : "1s"));
    }

    Job submit(Path settings, int parallelism, String savepoint) throws Exception {
        // Each time: another job manager has not got it.
        String jar = cluster.rest.upload(layout.job());
        return cluster.submit(jar, MAIN, parallelism, savepoint, settings.toString());
    }
}
