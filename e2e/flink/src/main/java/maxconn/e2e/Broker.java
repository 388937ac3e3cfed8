package maxconn.e2e;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;

/** A Kafka of one node that is broker and controller. */
final class Broker {
    static final int PARTITIONS = 8;
    private static final String CLUSTER = "e2eflinke2eflinke2efli";
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    final String address;
    private final Layout layout;
    private final Path settings;
    private final Path log;
    private Program program;

    Broker(Layout layout) throws Exception {
        this.layout = layout;
        int[] ports = Layout.freePorts(2);
        address = "127.0.0.1:" + ports[0];
        Path folder = layout.folder("kafka");
        log = folder.resolve("kafka.log");
        settings = Files.writeString(folder.resolve("server.properties"), """
                process.roles=broker,controller
                node.id=1
                controller.quorum.voters=1@127.0.0.1:%2$d
                listeners=PLAINTEXT://%1$s,CONTROLLER://127.0.0.1:%2$d
                advertised.listeners=PLAINTEXT://%1$s
                listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
                controller.listener.names=CONTROLLER
                log.dirs=%3$s
                # Records have the times of their lines, which are of another day.
                log.retention.ms=-1
                producer.id.expiration.ms=604800000
                auto.create.topics.enable=false
                offsets.topic.replication.factor=1
                offsets.topic.num.partitions=1
                transaction.state.log.replication.factor=1
                transaction.state.log.min.isr=1
                transaction.state.log.num.partitions=4
                share.coordinator.state.topic.replication.factor=1
                share.coordinator.state.topic.min.isr=1
                """.formatted(address, ports[1], folder.resolve("topics")));
        Program.run("Kafka's storage tool", log, layout.kafkaClassPath(), List.of(),
                "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", settings.toString());
        start();
    }

    void start() throws IOException, InterruptedException {
        program = Program.start("Kafka", log, layout.kafkaClassPath(), List.of("-Xmx1g", "-XX:+UseSerialGC"),
                "kafka.Kafka", settings.toString());
        try (Admin admin = admin()) {
            Wait.untilHolds("Kafka's answer", PATIENCE,
                    () -> !admin.describeCluster().nodes().get(5, TimeUnit.SECONDS).isEmpty());
        }
    }

    void kill() throws InterruptedException {
        program.kill();
    }

    void createTopics(String... names) throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(Stream.of(names).map(name -> new NewTopic(name, PARTITIONS, (short) 1)).toList())
                    .all().get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            // A producer whose first batch comes before the partition is ready can get stuck with it.
            for (String name : names) {
                Wait.untilHolds("topic " + name, PATIENCE, () -> written(admin, name) == 0);
            }
        }
    }

    /** How many records are in a topic, uncommitted ones and each transaction's mark included. */
    long written(String topic) throws Exception {
        try (Admin admin = admin()) {
            return written(admin, topic);
        }
    }

    /** Waits until so many records are in a topic; answers when (of {@link System#nanoTime}). */
    long awaitWritten(String topic, long count, Duration patience) throws Exception {
        try (Admin admin = admin()) {
            return Wait.until(count + " records in " + topic, patience,
                    () -> written(admin, topic) >= count ? Optional.of(System.nanoTime()) : Optional.empty());
        }
    }

    private static long written(Admin admin, String topic) throws Exception {
        Map<TopicPartition, OffsetSpec> ends = IntStream.range(0, PARTITIONS)
                .mapToObj(partition -> new TopicPartition(topic, partition))
                .collect(Collectors.toMap(it -> it, any -> OffsetSpec.latest()));
        return admin.listOffsets(ends).all().get(10, TimeUnit.SECONDS).values().stream()
                .mapToLong(it -> it.offset()).sum();
    }

    private Admin admin() {
        Properties properties = new Properties();
        properties.putAll(Map.of("bootstrap.servers", address));
        return Admin.create(properties);
    }
}
