package maxconn.e2e;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** One incident during which everything dies once, and what must have come of it. */
final class Story {
    static final String IN = "mail";
    private static final String RECORDS = "mail-clean";
    private static final String ALERTS = "mail-alerts";
    /** The part of the incident that is there before the job. */
    private static final int HEAD = 20;
    private static final Duration SILENCE = Duration.ofSeconds(60);

    private final Layout layout;
    private final Broker broker;
    private final Cluster cluster;
    private final Product product;
    private final Figures figures;
    private final Incident incident;
    private Job job;

    private interface Disturbance {
        void happens() throws Exception;
    }

    Story(Layout layout, Broker broker, Cluster cluster, Product product, Figures figures, Incident incident) {
        this.layout = layout;
        this.broker = broker;
        this.cluster = cluster;
        this.product = product;
        this.figures = figures;
        this.incident = incident;
    }

    /** What is built in. */
    Path configuration() throws Exception {
        return Files.writeString(layout.folder("story").resolve("maxconn.toml"), "");
    }

    /** Each disturbance in the middle of its part of the incident. Answers how many records have come out. */
    long happens(boolean isSmall, int perSecond) throws Exception {
        Path configuration = configuration();
        Map<String, List<Integer>> totals = incident.totals();
        List<String> expected = Replay.alerts(layout, configuration, incident);
        Alerts.judge("maxconn replay", expected, totals);
        say("made %,d records with %d floods; maxconn replay has %d alerts", incident.size(),
                totals.values().stream().mapToInt(List::size).sum(), expected.size());

        broker.createTopics(IN, RECORDS, ALERTS);
        Path settings = product.settings("story", configuration, IN, RECORDS, ALERTS, Product.Mode.LIVE);
        List<Disturbance> disturbances = isSmall
                ? List.of(this::taskManagerDies, () -> rescale(settings, 1))
                : List.of(this::taskManagerDies, this::brokerDies, () -> rescale(settings, 1),
                        () -> rescale(settings, 2), this::jobManagerDies);
        try (Feed feed = new Feed(broker, IN, incident, perSecond);
                Outcome outcome = new Outcome(broker, RECORDS, ALERTS, incident)) {
            // What is there before the job tells it of every partition; the feed is a hundred times as fast as the day.
            feed.allow(incident.size() / HEAD);
            feed.await(incident.size() / HEAD);
            job = product.submit(settings, 2, null);
            job.awaitRunning();
            int parts = disturbances.size() + 1;
            for (int part = 0; part < disturbances.size(); part++) {
                feed.allow((int) ((long) incident.size() * (part + 1) / parts));
                feed.await((int) ((long) incident.size() * (2 * part + 1) / (2 * parts)));
                int before = outcome.seen();
                Wait.untilHolds("records of this part", SILENCE, () -> outcome.read() && outcome.seen() > before);
                disturbances.get(part).happens();
            }
            feed.allow(incident.size());
            feed.await(incident.size());
            outcome.awaitAll(SILENCE);
            job.stop(cluster.savepoints, true);
            outcome.awaitNothingMore(SILENCE);
            Alerts.judge("Flink", outcome.alerts, totals);
            Alerts.same(expected, outcome.alerts);
            say("%,d records came once, in order and unchanged where without an event; %d alerts are maxconn replay's",
                    outcome.seen(), outcome.alerts.size());
            return outcome.seen();
        }
    }

    private void taskManagerDies() throws Exception {
        long restored = job.restored();
        long begun = System.nanoTime();
        cluster.replaceTaskManager();
        recovered("kill -9 of a task manager", begun, restored);
    }

    /** Another job manager has not restored anything yet. */
    private void jobManagerDies() throws Exception {
        long begun = System.nanoTime();
        cluster.replaceJobManager();
        recovered("kill -9 of the job manager", begun, 0);
    }

    private void brokerDies() throws Exception {
        long begun = System.nanoTime();
        broker.kill();
        broker.start();
        long there = System.nanoTime();
        job.awaitCheckpoint();
        figures.add("kill -9 of the broker", "a checkpoint %.1f s after the kill, %.1f s after its new start",
                seconds(begun), seconds(there));
    }

    private void rescale(Path settings, int parallelism) throws Exception {
        long begun = System.nanoTime();
        String savepoint = job.stop(cluster.savepoints, false);
        job = product.submit(settings, parallelism, savepoint);
        job.awaitRunning();
        double running = seconds(begun);
        job.awaitCheckpoint();
        figures.add("savepoint, then parallelism " + parallelism, "runs after %.1f s", running);
    }

    private void recovered(String what, long begun, long restored) throws InterruptedException {
        job.awaitRestored(restored);
        double running = seconds(begun);
        job.awaitCheckpoint();
        figures.add(what, "runs after %.1f s, second checkpoint after %.1f s", running, seconds(begun));
    }

    private static double seconds(long begun) {
        return (System.nanoTime() - begun) / 1e9;
    }

    private static void say(String form, Object... values) {
        System.out.println("e2e-flink: " + form.formatted(values));
    }
}
