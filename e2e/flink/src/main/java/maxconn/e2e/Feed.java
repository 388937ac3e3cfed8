package maxconn.e2e;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes the incident into a topic, each server's records to the partition of its name, at a given pace. It stops at
 * {@link #allow}, so that every disturbance falls into its part of the incident.
 */
final class Feed implements AutoCloseable {
    static final String HEADER = "format";
    private static final int PACE_MS = 5;

    private final Incident incident;
    private final String topic;
    private final KafkaProducer<byte[], byte[]> producer;
    private final Thread thread = new Thread(this::run, "feed");
    private final AtomicReference<Exception> problem = new AtomicReference<>();
    private final int perSecond;
    private volatile int allowed;
    private volatile int sent;

    Feed(Broker broker, String topic, Incident incident, int perSecond) {
        this.incident = incident;
        this.topic = topic;
        this.perSecond = perSecond;
        producer = new KafkaProducer<>(
                Map.of("bootstrap.servers", broker.address, "linger.ms", "5", "batch.size", "131072",
                        "max.block.ms", "120000"),
                new ByteArraySerializer(), new ByteArraySerializer());
        thread.setDaemon(true);
        thread.start();
    }

    /** Lets it go on to a record. */
    void allow(int end) {
        allowed = end;
    }

    /** Waits until a record is written. */
    void await(int end) throws InterruptedException {
        Wait.untilHolds("record " + end + " in " + topic, Duration.ofMinutes(3), () -> {
            if (problem.get() != null) {
                throw new Failure("writing into " + topic + ": " + problem.get());
            }
            return sent >= end;
        });
    }

    @Override
    public void close() {
        thread.interrupt();
        producer.close(Duration.ZERO);
    }

    private void run() {
        try {
            int chunk = Math.max(1, (int) ((long) perSecond * PACE_MS / 1000));
            while (sent < incident.size()) {
                long begun = System.nanoTime();
                int end = Math.min(Math.min(sent + chunk, allowed), incident.size());
                for (int index = sent; index < end; index++) {
                    send(index);
                }
                sent = end;
                if (sent == incident.size()) {
                    producer.flush();
                }
                long leftNs = PACE_MS * 1_000_000L - (System.nanoTime() - begun);
                if (leftNs > 0) {
                    Thread.sleep(leftNs / 1_000_000, (int) (leftNs % 1_000_000));
                }
            }
        } catch (InterruptedException closed) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException error) {
            problem.compareAndSet(null, error);
        }
    }

    private void send(int index) {
        ProducerRecord<byte[], byte[]> it = new ProducerRecord<>(topic, incident.partition(index),
                incident.timeMs(index), incident.keyOf(index), incident.line(index));
        it.headers().add(HEADER, incident.format(index));
        producer.send(it, (written, error) -> {
            if (error != null) {
                problem.compareAndSet(null, error);
            }
        });
    }
}
