package templates

import (
	"fmt"
	"time"
)

const wallClock = "2006-01-02 15:04"

// parseWhen reads RFC 3339, or a date and time on the wall clock of zone. A wall-clock time that a change of the clocks
// skips or repeats is refused, since either reading would surprise somebody.
func parseWhen(s string, zone *time.Location) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	t, err := time.ParseInLocation(wallClock, s, zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time: write 2026-12-01 09:00 or 2026-12-01T09:00:00+01:00", s)
	}
	if t.Format(wallClock) != s {
		return time.Time{}, fmt.Errorf("%s does not exist in %s: the clocks go forward then (%s follows); choose another time", s, zone, t.Format("15:04"))
	}
	if other, twice := repeated(t); twice {
		return time.Time{}, fmt.Errorf("%s happens twice in %s, when the clocks go back: write %s or %s",
			s, zone, t.Format(time.RFC3339), other.Format(time.RFC3339))
	}
	return t, nil
}

// repeated finds another moment that shows the same wall clock. No zone has ever turned back by more than a day.
func repeated(t time.Time) (time.Time, bool) {
	for d := 15 * time.Minute; d <= 24*time.Hour; d += 15 * time.Minute {
		for _, other := range []time.Time{t.Add(d), t.Add(-d)} {
			if other.Format(wallClock) == t.Format(wallClock) {
				return other, true
			}
		}
	}
	return t, false
}
