package maxconn.e2e;

import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;

/**
 * Sets the Flink job against a real Kafka and a real cluster, and kills both. The argument is the repository's
 * folder; SMALL=1 in the environment makes a smaller incident with fewer deaths and no figures.
 */
public final class Main {
    private static final long SEED = 1;

    private Main() {}

    public static void main(String[] arguments) {
        // The thread that started them is gone by then only if all is well.
        Runtime.getRuntime().addShutdownHook(new Thread(Program::killAll));
        int status = 1;
        try {
            run(Path.of(arguments[0]).toAbsolutePath().normalize(), "1".equals(System.getenv("SMALL")));
            status = 0;
        } catch (Failure failure) {
            System.err.println("e2e-flink: " + failure.getMessage() + "\n" + Program.allTold());
        } catch (Exception error) {
            error.printStackTrace();
            System.err.println(Program.allTold());
        }
        System.exit(status);
    }

    private static void run(Path repository, boolean isSmall) throws Exception {
        Layout layout = Layout.fresh(repository);
        Broker broker = new Broker(layout);
        Cluster cluster = new Cluster(layout);
        Product product = new Product(layout, broker, cluster);
        Figures figures = new Figures();
        // A broker forgets after days, by the time of its records, what it needs to recognise one that is sent again.
        LocalDate day = LocalDate.now(ZoneOffset.UTC).minusDays(1);
        Incident incident = isSmall ? new Incident(day, 200_000, 8, 2, SEED) : new Incident(day, 2_000_000, 4, 4, SEED);
        Story story = new Story(layout, broker, cluster, product, figures, incident);
        long count = story.happens(isSmall, isSmall ? 20_000 : 50_000);
        if (!isSmall) {
            Path configuration = story.configuration();
            double one = Speed.measure(broker, product, configuration, Story.IN, count, 1);
            figures.add("Kafka to Kafka, parallelism 1", "%,.0f records/s", one);
            double two = Speed.measure(broker, product, configuration, Story.IN, count, 2);
            figures.add("Kafka to Kafka, parallelism 2", "%,.0f records/s, %.2f times", two, two / one);
            new Keys().measure(layout, broker, product, figures);
            Program.killAll();
            Memory.measure(layout, figures);
        }
        figures.print();
        Program.killAll();
        layout.remove();
    }
}
