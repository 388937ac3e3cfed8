package maxconn.flink;

import java.io.Serializable;
import java.util.List;

/**
 * The rules in their order, numbered from 0.
 *
 * @param list the rules
 * @param redaction differs with the key that users are redacted with; 0 without one
 */
public record Rules(List<Rule> list, long redaction) implements Serializable {
    /** How many keyed steps an event goes through; one even without rules, so that a job has one shape. */
    public int stages() {
        return list.stream().mapToInt(rule -> rule.stage() + 1).max().orElse(1);
    }

    /** The number of the rule of that identity, -1 if there is none. */
    public int numberOf(long identity) {
        for (int number = 0; number < list.size(); number++) {
            if (list.get(number).identity() == identity) {
                return number;
            }
        }
        return -1;
    }

    /** Which of an event's keys it has in that stage, -1 if none. */
    int keyIn(int stage, Event event) {
        long[] identities = event.rules();
        for (int at = 0; at < identities.length; at++) {
            int number = numberOf(identities[at]);
            if (number >= 0 && list.get(number).stage() == stage) {
                return at;
            }
        }
        return -1;
    }
}
