package maxconn.e2e;

import java.nio.file.Path;
import java.time.Duration;

/** How fast the job takes what is in a topic already, from Kafka to Kafka. */
final class Speed {
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private Speed() {}

    /** {@code count}: how many records must come out. Answers records/s. */
    static double measure(Broker broker, Product product, Path configuration, String in, long count, int parallelism)
            throws Exception {
        String name = "speed-" + parallelism;
        broker.createTopics(name, name + "-alerts");
        Path settings = product.settings(name, configuration, in, name, name + "-alerts", Product.Mode.BOUNDED);
        Job job = product.submit(settings, parallelism, null);
        // From the first records on, so that the start of the job does not count, and without the end, when a bounded
        // job takes what waits and makes its last checkpoint.
        long most = count * 98 / 100;
        long begun = broker.awaitWritten(name, 1, PATIENCE);
        long before = broker.written(name);
        long ended = broker.awaitWritten(name, most, PATIENCE);
        job.awaitEnd();
        if (broker.written(name) < count) {
            throw new Failure(broker.written(name) + " records came out of " + name + ", not " + count);
        }
        return (most - before) / ((ended - begun) / 1e9);
    }
}
