package maxconn.e2e;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The same records on one machine: a file for each server, through {@code maxconn replay}. */
final class Replay {
    private Replay() {}

    /** Answers the alerts, sorted. */
    static List<String> alerts(Layout layout, Path configuration, Incident incident)
            throws IOException, InterruptedException {
        Path folder = layout.folder("replay");
        List<String> command = new ArrayList<>(List.of(layout.command().toString(), "replay", "--only", "alerts",
                "--config", configuration.toString()));
        command.addAll(write(folder, incident));
        Path alerts = folder.resolve("alerts");
        Path said = folder.resolve("said");
        Process process = new ProcessBuilder(command)
                .redirectOutput(alerts.toFile()).redirectError(said.toFile()).start();
        if (process.waitFor() != 0) {
            throw new Failure("maxconn replay ended with " + process.exitValue() + ": " + Files.readString(said));
        }
        return Files.readAllLines(alerts).stream().sorted().toList();
    }

    private static List<String> write(Path folder, Incident incident) throws IOException {
        List<Path> paths = new ArrayList<>();
        List<OutputStream> files = new ArrayList<>();
        try {
            for (int host = 0; host < Incident.HOSTS; host++) {
                paths.add(folder.resolve(host + ".log"));
                files.add(new BufferedOutputStream(Files.newOutputStream(paths.get(host))));
            }
            for (int index = 0; index < incident.size(); index++) {
                OutputStream file = files.get(incident.host(index));
                file.write(incident.line(index));
                file.write('\n');
            }
        } finally {
            for (OutputStream file : files) {
                file.close();
            }
        }
        return paths.stream().map(Path::toString).toList();
    }
}
