package maxconn.flink;

import java.io.Serializable;

/**
 * What the operators must know of a rule.
 *
 * @param name its name
 * @param stage which keyed step, counted from 0, an event meets it in
 * @param identity the same as long as its name and the fields of its key are
 * @param window the same as long as what its windows hold means the same
 */
public record Rule(String name, int stage, long identity, long window) implements Serializable {}
