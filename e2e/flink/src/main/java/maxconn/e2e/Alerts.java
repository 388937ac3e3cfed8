package maxconn.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Judges alerts. */
final class Alerts {
    private static final int TOLD = 5;

    private Alerts() {}

    /** Fails unless every flood of the incident has ended with its exact count, and no alert came twice. */
    static void judge(String whose, List<String> alerts, Map<String, List<Integer>> totals) throws Exception {
        Set<String> ids = new HashSet<>();
        Set<String> starts = new HashSet<>();
        Map<String, List<Integer>> found = new TreeMap<>();
        for (String alert : alerts) {
            JsonNode document = Rest.JSON.readTree(alert);
            if (!ids.add(document.at("/event/id").asText())) {
                throw new Failure(whose + ": this alert came twice: " + alert);
            }
            JsonNode flood = document.at("/maxconn/flood");
            String name = document.at("/rule/name").asText() + " " + flood.at("/key").asText();
            switch (flood.at("/state").asText()) {
                case "start" -> starts.add(flood.at("/id").asText());
                case "end" -> {
                    found.computeIfAbsent(name, any -> new ArrayList<>()).add(flood.at("/count").asInt());
                    if (!starts.remove(flood.at("/id").asText())) {
                        throw new Failure(whose + ": this end has no start: " + alert);
                    }
                    if (!flood.at("/end_reason").asText().equals("quiet")) {
                        throw new Failure(whose + ": a flood did not end because it went quiet: " + alert);
                    }
                }
                default -> { }
            }
        }
        found.values().forEach(counts -> counts.sort(null));
        if (!found.equals(totals)) {
            Set<String> names = new HashSet<>(totals.keySet());
            names.addAll(found.keySet());
            names.removeIf(name -> totals.getOrDefault(name, List.of()).equals(found.getOrDefault(name, List.of())));
            throw new Failure(whose + ": other totals for " + names.size() + " of " + totals.size() + " keys: "
                    + String.join("; ", names.stream().sorted().limit(TOLD).map(name -> name + " should be "
                            + totals.get(name) + ", is " + found.get(name)).toList()));
        }
    }

    /** Fails unless both have the same alerts. */
    static void same(List<String> expected, List<String> found) {
        List<String> missing = without(expected, found);
        List<String> more = without(found, expected);
        if (!missing.isEmpty() || !more.isEmpty()) {
            throw new Failure("alerts differ from maxconn replay's: " + missing.size() + " are missing, " + more.size()
                    + " are others\nmissing:\n" + String.join("\n", missing.subList(0, Math.min(TOLD, missing.size())))
                    + "\nothers:\n" + String.join("\n", more.subList(0, Math.min(TOLD, more.size()))));
        }
    }

    private static List<String> without(List<String> all, List<String> those) {
        Map<String, Integer> left = new HashMap<>();
        those.forEach(it -> left.merge(it, 1, Integer::sum));
        return all.stream().filter(it -> left.merge(it, -1, Integer::sum) < 0).toList();
    }
}
