package maxconn.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** What a checkpoint of very many keys takes: each user is refused once. */
final class Keys {
    private static final int COUNT = 1_000_000;
    private static final int MORE = 10_000;
    /** All within the span in which none of them is forgotten. */
    private static final int SPAN_MS = 30_000;
    private static final int LATER_MS = 8_000;
    private static final int CLOSING = 3;
    private static final Instant START = Instant.parse("2026-03-02T00:00:00Z");
    private static final Duration PATIENCE = Duration.ofMinutes(6);
    private static final String IN = "keys";
    private static final String RECORDS = "keys-clean";
    private static final String ALERTS = "keys-alerts";
    /** One key a record: under the rule userip alone. */
    private static final String CONFIGURATION = """
            [[rule]]
            name = "many-users-one-ip"
            enabled = false
            [[rule]]
            name = "one-user-many-ips"
            enabled = false
            """;

    private int users;

    void measure(Layout layout, Broker broker, Product product, Figures figures) throws Exception {
        Path configuration = Files.writeString(layout.folder(IN).resolve("maxconn.toml"), CONFIGURATION);
        broker.createTopics(IN, RECORDS, ALERTS);
        Path settings = product.settings(IN, configuration, IN, RECORDS, ALERTS, Product.Mode.NO_CHECKPOINTS);
        Job job = product.submit(settings, 2, null);
        job.awaitRunning();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
                Map.of("bootstrap.servers", broker.address, "linger.ms", "20", "batch.size", "131072"),
                new ByteArraySerializer(), new ByteArraySerializer())) {
            write(producer, COUNT, 0);
            broker.awaitWritten(RECORDS, COUNT, PATIENCE);
            JsonNode full = job.checkpoint("FULL");
            figures.add("checkpoint of %,d keys in RocksDB, full".formatted(COUNT), "%s", told(full, COUNT));
            write(producer, MORE, SPAN_MS + LATER_MS);
            broker.awaitWritten(RECORDS, COUNT + MORE, PATIENCE);
            // The first after a full one uploads all that a later one shares.
            job.checkpoint("CONFIGURED");
            write(producer, MORE, SPAN_MS + 2 * LATER_MS);
            broker.awaitWritten(RECORDS, COUNT + 2L * MORE, PATIENCE);
            JsonNode small = job.checkpoint("CONFIGURED");
            figures.add("the same, incremental, %,d keys later".formatted(MORE), "%s", told(small, MORE));
        }
        job.cancel();
    }

    private static String told(JsonNode checkpoint, int keys) {
        long bytes = checkpoint.get("checkpointed_size").asLong();
        return "%,.1f MB in %.1f s, %,d bytes a key".formatted(bytes / 1e6,
                checkpoint.get("end_to_end_duration").asLong() / 1e3, bytes / keys);
    }

    /** Writes refusals of as many users, then a few later ones on each partition: those before them need not wait. */
    private void write(KafkaProducer<byte[], byte[]> producer, int count, int fromMs) throws Exception {
        long startMs = START.toEpochMilli() + fromMs;
        int spanMs = count == COUNT ? SPAN_MS : LATER_MS / 8;
        for (int number = 0; number < count; number++) {
            send(producer, number % Broker.PARTITIONS, startMs + (long) spanMs * number / count);
        }
        for (int partition = 0; partition < Broker.PARTITIONS; partition++) {
            for (int number = 0; number < CLOSING; number++) {
                send(producer, partition, startMs + spanMs + LATER_MS * 3L / 4 + number);
            }
        }
        producer.flush();
    }

    private void send(KafkaProducer<byte[], byte[]> producer, int partition, long timeMs) {
        int user = users++;
        String address = "10." + (user >> 16) + "." + (user >> 8 & 255) + "." + (user & 255);
        String line = Instant.ofEpochMilli(timeMs) + " mail100 " + Incident.refusal("user" + user, address, user << 8);
        producer.send(new ProducerRecord<>(IN, partition, timeMs, null, line.getBytes(StandardCharsets.US_ASCII)));
    }
}
