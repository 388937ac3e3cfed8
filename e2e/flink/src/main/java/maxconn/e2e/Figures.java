package maxconn.e2e;

import java.util.LinkedHashMap;
import java.util.Map;

/** What was measured, for a table. */
final class Figures {
    private final Map<String, String> rows = new LinkedHashMap<>();

    void add(String what, String form, Object... values) {
        rows.put(what, form.formatted(values));
        System.out.println("e2e-flink: " + what + ": " + rows.get(what));
    }

    void print() {
        System.out.println("| what | measured |\n|---|---|");
        rows.forEach((what, measured) -> System.out.println("| " + what + " | " + measured + " |"));
    }
}
