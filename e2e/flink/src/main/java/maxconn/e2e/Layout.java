package maxconn.e2e;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** Where everything is: built things, and a folder for what the test writes, which is emptied at the start. */
record Layout(Path repository, Path data) {
    static Layout fresh(Path repository) throws IOException {
        Layout layout = new Layout(repository, repository.resolve("target/e2e-flink/data"));
        for (Path built : List.of(layout.job(), layout.command())) {
            if (!Files.exists(built)) {
                throw new Failure(built + " is missing; build it by `make build flink`");
            }
        }
        layout.remove();
        Files.createDirectories(layout.data);
        return layout;
    }

    /** All of it: hundreds of megabytes that nobody reads after a success. */
    void remove() throws IOException {
        if (!Files.exists(data)) {
            return;
        }
        try (Stream<Path> paths = Files.walk(data)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    Path folder(String name) throws IOException {
        return Files.createDirectories(data.resolve(name));
    }

    Path job() {
        return repository.resolve("pipelines/flink/target/maxconn-flink.jar");
    }

    Path command() {
        return repository.resolve("target/release/maxconn");
    }

    /** The jobs that this module brings. */
    Path ownJobs() {
        return build().resolve("e2e-flink.jar");
    }

    String kafkaClassPath() throws IOException {
        return build().resolve("classes") + ":" + Files.readString(build().resolve("classpath")).strip();
    }

    /** Without Kafka's client: a cluster does not have it, a job must bring it. */
    String flinkClassPath() throws IOException {
        List<String> jars = Arrays.stream(Files.readString(build().resolve("classpath")).strip().split(":"))
                .filter(jar -> !Path.of(jar).getFileName().toString().startsWith("kafka"))
                .toList();
        return build().resolve("classes") + ":" + String.join(":", jars);
    }

    private Path build() {
        return repository.resolve("target/e2e-flink/build");
    }

    /** Ports of loopback that nobody uses, all looked for at once so that they differ. */
    static int[] freePorts(int count) throws IOException {
        List<ServerSocket> sockets = new ArrayList<>();
        try {
            for (int index = 0; index < count; index++) {
                sockets.add(new ServerSocket(0, 1, InetAddress.getLoopbackAddress()));
            }
            return sockets.stream().mapToInt(ServerSocket::getLocalPort).toArray();
        } finally {
            for (ServerSocket socket : sockets) {
                socket.close();
            }
        }
    }
}
