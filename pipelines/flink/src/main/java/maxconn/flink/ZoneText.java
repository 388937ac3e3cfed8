package maxconn.flink;

import java.time.DayOfWeek;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.zone.ZoneOffsetTransitionRule;
import java.time.zone.ZoneRules;
import java.util.List;

/**
 * Writes the POSIX TZ string of a zone by name: guests have no zone database. It is the zone's present rule, as it is
 * for the {@code maxconn} command; what the zone's rules were in other years is not in such a string.
 */
final class ZoneText {
    private static final int DAY_S = 86_400;

    private ZoneText() {}

    /** The guest's text for a zone's name; the text itself if Java knows no zone of that name. */
    static String of(String zone) {
        // Only names have a slash; offsets and POSIX strings are the guest's to read.
        if (!zone.contains("/") || zone.contains(",") || !ZoneId.getAvailableZoneIds().contains(zone)) {
            return zone;
        }
        ZoneRules rules = ZoneId.of(zone).getRules();
        List<ZoneOffsetTransitionRule> changes = rules.getTransitionRules();
        if (changes.size() != 2) {
            ZoneOffset now = rules.getOffset(Instant.now());
            return now.getTotalSeconds() == 0 ? "UTC" : clock(now.getTotalSeconds(), "+");
        }
        boolean isFirst = isIntoSummer(changes.get(0));
        ZoneOffsetTransitionRule into = changes.get(isFirst ? 0 : 1);
        ZoneOffsetTransitionRule outOf = changes.get(isFirst ? 1 : 0);
        // POSIX counts offsets westward.
        return "STD" + clock(-into.getOffsetBefore().getTotalSeconds(), "")
                + "DST" + clock(-into.getOffsetAfter().getTotalSeconds(), "") + "," + day(into) + "," + day(outOf);
    }

    private static boolean isIntoSummer(ZoneOffsetTransitionRule change) {
        return change.getOffsetAfter().getTotalSeconds() > change.getOffsetBefore().getTotalSeconds();
    }

    /** Month, week and weekday, and the clock before the change. */
    private static String day(ZoneOffsetTransitionRule change) {
        int timeS = change.isMidnightEndOfDay() ? DAY_S : change.getLocalTime().toSecondOfDay();
        int wallS = change.getOffsetBefore().getTotalSeconds();
        timeS += switch (change.getTimeDefinition()) {
            case UTC -> wallS;
            case STANDARD -> wallS - change.getStandardOffset().getTotalSeconds();
            case WALL -> 0;
        };
        DayOfWeek weekday = change.getDayOfWeek();
        int from = change.getDayOfMonthIndicator();
        int week = 5;
        // Java's last Sunday of a month is the first from a week before its end on.
        if (from > 0 && from != change.getMonth().maxLength() - 6) {
            // The first such weekday from the 24th on is two days behind the first Thursday from the 22nd on.
            int behind = (from - 1) % 7;
            week = (from - 1) / 7 + 1;
            weekday = weekday.minus(behind);
            timeS += behind * DAY_S;
        }
        return "M" + change.getMonth().getValue() + "." + week + "." + weekday.getValue() % 7 + "/" + clock(timeS, "");
    }

    private static String clock(int seconds, String plus) {
        int minutes = Math.abs(seconds) / 60;
        return (seconds < 0 ? "-" : plus) + String.format("%02d:%02d", minutes / 60, minutes % 60);
    }
}
