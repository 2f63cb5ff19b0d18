package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"heed/consent"
	"heed/store"
)

// The words in which support staff read what the ledger and the deliveries
// have in codes.

var waySaid = map[string]string{
	"page": "on a page of ours", "one_click": "by the one-click link of a mail", "mail": "by a mail to us", "confirmed": "by a click from the address on file",
	"api": "through the product's programs", "import": "in an imported list", "staff": "written down by staff", "bounce": "by a mail that came back",
	"spam_report": "by a spam report", "system": "by heed itself",
}

// stateSaid is what a status means, set and lifted.
var stateSaid = map[string][2]string{
	"on_hold":    {"put on hold: no marketing and no sharing until their request is settled", "no longer on hold"},
	"restricted": {"restricted: nothing goes out but letters about their own request", "no longer restricted"},
	"dead":       {"the mailbox counts as dead", "the mailbox is alive again"},
	"strike":     {"the mail server said that there is no such mailbox", "the mailbox was found after all"},
	"erased":     {"everything about the person was deleted", "no longer counts as deleted"},
	"suppressed": {"put on the list of those who are not written to", "taken off the list of those who are not written to"},
}

var reasonSaid = map[string]string{
	"opted_out": "they had opted out of it", "no_consent": "they had not said yes to it, or do not use the service", "suppressed": "they are on the list of those who are not written to",
	"dead_address": "their mailbox is dead", "on_hold": "they were on hold, or had paused marketing", "restricted": "their data is restricted", "erased": "they were deleted",
	"capped": "they had as many alerts as anybody gets in 30 days", "policy": "the policy that they agreed to does not cover it", "unrenderable": "a value that the text needs is not known of them",
	"expired": "the mail server put it off for too long", "cancelled": "the campaign was cancelled",
}

var outcomeSaid = map[string]string{
	"accepted": "sent", "returned": "sent, and came back", "rejected": "refused by the mail server for good", "deferred": "put off by the mail server, and tried again",
	"uncertain": "perhaps sent: the mail server never answered", "waiting": "waits to be sent", "in_flight": "is being sent at this moment",
}

// thing names a scope.
func thing(scope string, topics map[string]string) string {
	if id, is := strings.CutPrefix(scope, "topic:"); is {
		if name := topics[id]; name != "" {
			return fmt.Sprintf("%q", name)
		}
		return "topic " + id
	}
	switch scope {
	case "marketing":
		return "all newsletters and offers"
	case "partner_offers":
		return "offers of partners"
	case "sharing":
		return "sharing their data with partners"
	}
	return scope
}

// decision says what a row of the ledger means.
func decision(scope, choice string, topics map[string]string) string {
	if until, is := strings.CutPrefix(scope, "pause:"); is {
		end, _ := strconv.ParseInt(until, 10, 64) // of our own making
		if choice == string(consent.Lift) {
			return "ended the pause of all newsletters and offers"
		}
		return "paused all newsletters and offers until " + minute(time.Unix(end, 0))
	}
	if words, is := stateSaid[scope]; is {
		if choice == string(consent.Lift) {
			return words[1]
		}
		return words[0]
	}
	verb := map[string]string{"in": "said yes to ", "out": "said no to ", "lift": "took back the no to ", "note": "noted about "}[choice]
	return verb + thing(scope, topics)
}

func way(via string) string {
	if words := waySaid[via]; words != "" {
		return words
	}
	return "by " + via
}

// sent says what became of a message.
func sent(m store.ExplainSent) string {
	if m.Outcome == "skipped" {
		why := reasonSaid[m.Reason]
		if why == "" {
			why = m.Reason
		}
		return "not sent: " + why
	}
	if words := outcomeSaid[m.Outcome]; words != "" {
		return words
	}
	return m.Outcome
}

// topicNames gives topics the names that people know.
func (a *app) topicNames(s *store.Store) (map[string]string, error) {
	topics, err := s.Topics(a.ctx)
	names := map[string]string{}
	for _, one := range topics {
		names[one.ID] = one.Name
	}
	return names, err
}
