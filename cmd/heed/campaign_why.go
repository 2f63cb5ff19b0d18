package main

import (
	"fmt"
	"strings"
	"time"

	"heed/store"
)

// becauseView is why a campaign sends nothing, or less than it could, and what to do.
type becauseView struct {
	Cause string     `json:"cause"`
	Says  string     `json:"says"`
	Hint  string     `json:"hint,omitempty"`
	At    *time.Time `json:"at,omitempty"`
}

func because(id string, causes []store.Cause) (all []becauseView) {
	for _, one := range causes {
		says, hint := causeWords(id, one)
		v := becauseView{Cause: one.Why, Says: says, Hint: hint}
		if !one.At.IsZero() {
			at := one.At.UTC()
			v.At = &at
		}
		all = append(all, v)
	}
	return all
}

func causeWords(id string, c store.Cause) (says, hint string) {
	at := c.At.UTC().Format(time.RFC3339)
	relays := strings.TrimSpace(strings.ReplaceAll(strings.Join(c.Relays, ", "), "relay:", ""))
	switch c.Why {
	case store.StandsDraft:
		return "nobody has started it", fmt.Sprintf("heed campaign start %s begins it, heed campaign schedule %[1]s --at TIME sets its time", id)
	case store.StandsHeld:
		return "it rests since the database was restored", fmt.Sprintf("look at it, then heed campaign confirm %s, or heed campaign cancel %[1]s", id)
	case store.StandsScheduled:
		return "it begins at " + at, ""
	case store.StandsPaused:
		return "nothing goes out until somebody lets it go on", fmt.Sprintf("heed campaign resume %s lets it go on, heed campaign cancel %[1]s ends it", id)
	case store.NoScheduler:
		return "no scheduler runs, so that nothing is begun or handed out", "start heed serve, or heed scheduler"
	case store.NoWorker:
		return "no worker runs, so that nothing is sent", "start heed serve, or heed worker, with SMTP_URL or a [[relay]]"
	case store.NoRelay:
		return "heed runs without a relay, so that nothing is sent", "set SMTP_URL, or add a [[relay]], and start it again"
	case store.QueueAway:
		return "the scheduler cannot reach Redis", "see that the server of REDIS_URL runs; nothing is lost, and it goes on by itself"
	case store.RelayAway:
		return strings.TrimSpace("the relay "+relays) + " takes no mail; it is tried every few seconds", "heed doctor tells what is wrong with it; it goes on by itself"
	case store.RelaySpared:
		return "some relays take no mail and are spared: " + relays, "heed doctor tells what is wrong with them"
	case store.StandsDeferred:
		return "all who are left were put off by their mail servers, the next is tried at " + at, ""
	}
	return c.Why, ""
}

func (a *app) sayBecause(all []becauseView) {
	for _, one := range all {
		a.say("  note: %s", one.Says)
		if one.Hint != "" {
			a.say("        %s", one.Hint)
		}
	}
}
