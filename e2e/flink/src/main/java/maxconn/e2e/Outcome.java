package maxconn.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads what is committed in both topics and judges each record at once: those without an event byte for byte in the
 * order of their partition, those with one by what they were made of, none missing and none twice.
 */
final class Outcome implements AutoCloseable {
    private static final byte[] EVENT = "connection-limit-exceeded".getBytes(StandardCharsets.US_ASCII);

    final List<String> alerts = new ArrayList<>();
    private final Incident incident;
    private final String records;
    private final List<TopicPartition> partitions;
    private final KafkaConsumer<byte[], byte[]> consumer;
    /** For each partition the record without an event that must come next. */
    private final int[] next = new int[Broker.PARTITIONS];
    private final BitSet events = new BitSet();
    private final int expected;
    private int seen;
    private int ends;

    Outcome(Broker broker, String records, String alerts, Incident incident) {
        this.incident = incident;
        this.records = records;
        consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", broker.address, "isolation.level", "read_committed",
                        "max.poll.records", "20000", "fetch.max.wait.ms", "100"),
                new ByteArrayDeserializer(), new ByteArrayDeserializer());
        partitions = Stream.of(records, alerts).flatMap(topic -> consumer.partitionsFor(topic).stream())
                .map((PartitionInfo it) -> new TopicPartition(it.topic(), it.partition())).toList();
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        int all = 0;
        for (int index = 0; index < incident.size(); index++) {
            if (incident.goesOn(index)) {
                all++;
            }
        }
        expected = all;
        Arrays.setAll(next, partition -> following(-1, partition));
    }

    /** Reads what has come; answers whether something had. */
    boolean read() throws Exception {
        var batch = consumer.poll(Duration.ofMillis(200));
        for (ConsumerRecord<byte[], byte[]> it : batch) {
            if (it.topic().equals(records)) {
                judge(it);
            } else {
                String alert = new String(it.value(), StandardCharsets.UTF_8).strip();
                alerts.add(alert);
                if (alert.contains("\"connection-limit-flood-end\"")) {
                    ends++;
                }
            }
        }
        return !batch.isEmpty();
    }

    /** How many records have come. */
    int seen() {
        return seen;
    }

    /** Reads on until every record is there that need not wait for later ones, and every flood has ended. */
    void awaitAll(Duration patience) throws Exception {
        int floods = incident.totals().values().stream().mapToInt(List::size).sum();
        long last = System.nanoTime();
        while (seen < expected - incident.waiting() || ends < floods) {
            if (read()) {
                last = System.nanoTime();
            } else if (System.nanoTime() - last > patience.toNanos()) {
                throw new Failure("nothing more comes: " + seen + " of " + expected + " records, " + ends + " of "
                        + floods + " floods have ended; " + firstMissing());
            }
            Program.allAlive();
        }
    }

    /** Reads to the end of what is committed, and fails if something is left uncommitted or comes beyond the end. */
    void awaitNothingMore(Duration patience) throws Exception {
        Wait.untilHolds("the end of all transactions", patience, () -> {
            read();
            // For a reader of what is committed an end is where the first open transaction begins.
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            return partitions.stream().allMatch(it -> consumer.position(it) >= ends.get(it));
        });
        if (seen != expected) {
            throw new Failure(seen + " records came, not " + expected + "; " + firstMissing());
        }
    }

    @Override
    public void close() {
        consumer.close();
    }

    private void judge(ConsumerRecord<byte[], byte[]> it) throws Exception {
        seen++;
        int partition = it.partition();
        int index = contains(it.value(), EVENT) ? event(it) : next[partition];
        if (index == incident.size() || !incident.isEvent(index)) {
            if (index == incident.size() || !Arrays.equals(it.value(), incident.line(index))) {
                int found = incident.indexAt(it.timestamp());
                throw new Failure(place(it) + ": expected " + (index == incident.size() ? "nothing more" : told(index))
                        + "\nfound record " + found + (found < index ? " again" : ", and others are missing")
                        + ": " + text(it));
            }
            next[partition] = following(index, partition);
        }
        Header header = it.headers().lastHeader(Feed.HEADER);
        if (!Arrays.equals(it.key(), incident.keyOf(index)) || it.timestamp() != incident.timeMs(index)
                || partition != incident.partition(index) || header == null
                || !Arrays.equals(header.value(), incident.format(index))) {
            throw new Failure(place(it) + ": another key, timestamp, partition or header than record " + index
                    + " had: " + it);
        }
    }

    /** Which event it is. */
    private int event(ConsumerRecord<byte[], byte[]> it) throws Exception {
        JsonNode document = Rest.JSON.readTree(it.value());
        int index = incident.indexAt(Instant.parse(document.get("@timestamp").asText()).toEpochMilli());
        if (index < 0 || !incident.isEvent(index)
                || !document.get("message").asText().equals(incident.messageOf(index))) {
            throw new Failure(place(it) + ": this is no event of the incident: " + text(it));
        }
        if (!incident.goesOn(index)) {
            throw new Failure(place(it) + ": record " + index + " should have been held back: " + text(it));
        }
        if (events.get(index)) {
            throw new Failure(place(it) + ": record " + index + " came twice: " + text(it));
        }
        events.set(index);
        return index;
    }

    private String firstMissing() {
        for (int index = 0; index < incident.size(); index++) {
            boolean there = incident.isEvent(index)
                    ? events.get(index) || !incident.goesOn(index)
                    : index < next[incident.partition(index)];
            if (!there) {
                return "the first that is missing is " + told(index) + ", of partition " + incident.partition(index);
            }
        }
        return "no record is missing";
    }

    private int following(int index, int partition) {
        do {
            index++;
        } while (index < incident.size() && (incident.isEvent(index) || incident.partition(index) != partition));
        return index;
    }

    private String told(int index) {
        return "record " + index + ": " + new String(incident.line(index), StandardCharsets.UTF_8);
    }

    private static String place(ConsumerRecord<byte[], byte[]> it) {
        return it.topic() + "/" + it.partition() + "@" + it.offset();
    }

    private static String text(ConsumerRecord<byte[], byte[]> it) {
        return new String(it.value(), StandardCharsets.UTF_8);
    }

    private static boolean contains(byte[] text, byte[] part) {
        for (int start = 0; start <= text.length - part.length; start++) {
            if (text[start] == part[0] && Arrays.equals(text, start, start + part.length, part, 0, part.length)) {
                return true;
            }
        }
        return false;
    }
}
