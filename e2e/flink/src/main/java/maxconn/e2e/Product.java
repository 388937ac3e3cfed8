package maxconn.e2e;

import java.nio.file.Files;
import java.nio.file.Path;

/** The product's job: its settings, and how it is started. */
final class Product {
    private static final String MAIN = "maxconn.flink.MaxconnJob";

    private final Layout layout;
    private final Broker broker;
    private final Cluster cluster;
    private final String jar;

    Product(Layout layout, Broker broker, Cluster cluster) throws Exception {
        this.layout = layout;
        this.broker = broker;
        this.cluster = cluster;
        jar = cluster.rest.upload(layout.job());
    }

    /** Writes a settings file. {@code isBounded}: the job ends where the topic ends now. */
    Path settings(String name, Path configuration, String in, String records, String alerts, boolean isBounded)
            throws Exception {
        return Files.writeString(layout.folder(name).resolve("maxconn-flink.properties"), """
                kafka.bootstrap.servers=%s
                source.topics=%s
                sink.records.topic=%s
                sink.alerts.topic=%s
                """.formatted(broker.address, in, records, alerts));
    }

    Job submit(Path settings, int parallelism, String savepoint) throws Exception {
        return cluster.submit(jar, MAIN, parallelism, savepoint, settings.toString());
    }
}
