package maxconn.e2e;

import java.nio.file.Path;

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
        Incident incident = isSmall ? new Incident(200_000, 8, 2, SEED) : new Incident(2_000_000, 4, 4, SEED);
        new Story(layout, broker, cluster, product, figures, incident).happens(isSmall, isSmall ? 20_000 : 50_000);
        figures.print();
        Program.killAll();
        layout.remove();
    }
}
