package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"heed/store"
)

// Referee holds a simulated course of events to I1, I2, I3, I10 and I11. It is told
// what people were answered and what reached the relay, and looks at the database
// from outside. One goroutine at a time uses it.
//
// The campaigns of a course are newsletters to the topics of the same numbers, and
// Alert.
type Referee struct {
	People   map[string]int // by address key: whose it is
	Crowd    int            // how many there are
	Alert    int64
	Peek     *Peek
	Violated func(text string)

	Started               map[int64]bool // campaigns
	Jumped, Erased, Moved bool           // clocks, somebody, somebody's address
	Slept                 bool           // all machines at once: what is too old by then is found a little later

	stops  []*Stop
	copies map[string]int    // messages taken, by campaign and person
	more   map[string]int    // further copies that were asked for or declared
	ids    map[string]string // Message-IDs
}

// Everybody stands for Who in a stop of a whole campaign.
const Everybody = -1

// Stop is what was acknowledged: no more of this.
type Stop struct {
	What     string
	Who      int
	Topic    int   // 0: all marketing
	Campaign int64 // of a pause or cancel
	InFlight int   // as the answer said
	When     string

	open   map[string]bool // claims that were open then, and declared
	lifted bool
}

// Handed is a message whose end reached the relay.
type Handed struct {
	MessageID string
	When      string
	Taken     bool // with an answer that says so, or without one
}

// Of reads the campaign and the address key out of the Message-ID; no campaign: it is
// a letter to one person.
func (h Handed) Of() (campaign int64, key string) {
	number, rest, _ := strings.Cut(h.MessageID, ".")
	key, _, _ = strings.Cut(rest, "@")
	campaign, _ = strconv.ParseInt(number, 10, 64)
	return campaign, key
}

// Know makes the addresses of the crowd known: now and after a change of address.
func (r *Referee) Know(t *testing.T, s *store.Store, crowd int, addresses func(i int) []string) {
	t.Helper()
	r.Crowd, r.People, r.Started = crowd, map[string]int{}, map[int64]bool{}
	r.copies, r.more, r.ids = map[string]int{}, map[string]int{}, map[string]string{}
	for i := range crowd {
		for _, address := range addresses(i) {
			key, _, err := s.Key(address)
			if err != nil {
				t.Fatal(err)
			}
			r.People[key.String()] = i
		}
	}
}

func (r *Referee) violated(format string, args ...any) { r.Violated(fmt.Sprintf(format, args...)) }

// Acknowledged notes an answer, and which claims it may have declared.
func (r *Referee) Acknowledged(s Stop) {
	s.open = map[string]bool{}
	if s.InFlight > 0 {
		for _, row := range r.rows(`SELECT campaign, address FROM claim UNION SELECT campaign, address FROM delivery WHERE state = 'uncertain'`) {
			s.open[row[0]+"/"+row[1]] = true
		}
	}
	r.stops = append(r.stops, &s)
}

// Lifted ends the pauses of a campaign.
func (r *Referee) Lifted(campaign int64) {
	for _, s := range r.stops {
		if s.What == "pause" && s.Campaign == campaign {
			s.lifted = true
		}
	}
}

// covers tells whether a stop is about a message.
func (r *Referee) covers(s *Stop, campaign int64, who int) bool {
	switch {
	case s.lifted:
		return false
	case s.Who == Everybody:
		return s.Campaign == campaign
	case campaign == r.Alert || s.Who != who:
		return false
	}
	return s.Topic == 0 || int64(s.Topic) == campaign
}

func place(campaign int64, who int) string { return fmt.Sprintf("%d/p%d", campaign, who) }

// HandedOver is called at each message whose end reached the relay: I1, I2 and
// I11.
func (r *Referee) HandedOver(h Handed) {
	campaign, key := h.Of()
	who, known := r.People[key]
	if !known || campaign == 0 {
		return
	}
	claim := fmt.Sprintf("%d/%s", campaign, key)
	for _, s := range r.stops {
		if !r.covers(s, campaign, who) {
			continue
		}
		if !s.open[claim] {
			r.violated("I1: a message of campaign %d to p%d was completed at %s, after the %s was acknowledged at %s with %d in flight", campaign, who, h.When, s.What, s.When, s.InFlight)
		}
		delete(s.open, claim)
	}
	if h.Taken {
		r.countCopy(h, campaign, who)
	}
}

func (r *Referee) countCopy(h Handed, campaign int64, who int) {
	at := place(campaign, who)
	r.copies[at]++
	allowed := 1 + r.more[at]
	if campaign == r.Alert {
		allowed++ // of unknown fate, once
	}
	if r.copies[at] > allowed {
		r.violated("I2: %s was handed over %d times, %d are allowed", at, r.copies[at], allowed)
	}
	if first := r.ids[at]; first != "" && first != h.MessageID && !r.Moved {
		r.violated("I11: %s has the Message-IDs %s and %s", at, first, h.MessageID)
	}
	r.ids[at] = h.MessageID
}

// MayRepeat notes that a person asks for another copy of what is uncertain: those
// who have one by now may get one more.
func (r *Referee) MayRepeat(campaign int64) {
	for who := range r.Crowd {
		r.more[place(campaign, who)] = max(r.more[place(campaign, who)], r.copies[place(campaign, who)])
	}
}

func (r *Referee) rows(query string) [][]string {
	rows, err := r.Peek.Rows(query)
	if err != nil {
		r.violated("%v", err)
	}
	return rows
}

// Stands tells in one line where everything stands; done when nobody has anything to
// do any more.
//
// A letter that a clock an hour ahead wrote to somebody who was erased meanwhile
// can be read by nobody any more, and its job is tried for days.
func (r *Referee) Stands() (line string, done bool) {
	jobs := `state <> 'done'`
	if r.Jumped && r.Erased {
		jobs += ` AND NOT (kind = 'write' AND failures > 2)`
	}
	row := r.rows(`SELECT (SELECT count(*) FROM job WHERE ` + jobs + `), (SELECT count(*) FROM claim), (SELECT count(*) FROM retry),
		(SELECT count(*) FROM campaign WHERE state IN ('sending', 'paused'))`)[0]
	return "jobs, claims, retries, campaigns: " + strings.Join(row, ", "), strings.Join(row, "") == "0000"
}

// Balance is called at the end: I2, I3, I10 and I11 in the database, against the
// relay's record.
func (r *Referee) Balance(s *store.Store) {
	if line, done := r.Stands(); !done {
		r.violated("I3: it does not come to an end: %s", line)
		return
	}
	count := map[string]int{}
	for _, row := range r.rows(`SELECT campaign, address, state, reason FROM delivery`) {
		count[row[0]]++
		r.compare(row[0], row[1], row[2], row[3])
	}
	for _, id := range slices.Sorted(maps.Keys(r.Started)) {
		if n := count[strconv.FormatInt(id, 10)]; n != r.Crowd && !(r.Erased && n < r.Crowd) {
			if rows := r.rows(fmt.Sprintf(`SELECT state FROM campaign WHERE id = %d AND fanned = 1`, id)); len(rows) > 0 {
				r.violated("I3: campaign %d has %d outcomes", id, n)
			}
		}
	}
	r.Verify(s)
}

func (r *Referee) compare(campaign, key, state, reason string) {
	who, known := r.People[key]
	if !known {
		r.violated("I3: a delivery to nobody")
		return
	}
	at := fmt.Sprintf("%s/p%d", campaign, who)
	taken := r.copies[at]
	switch {
	case state == "waiting" || state == "deferred":
		r.violated("I3: campaign %s to p%d ends as %s", campaign, who, state)
	case state == "accepted" && taken == 0:
		r.violated("I3: campaign %s to p%d is called accepted, and was never handed over", campaign, who)
	case (state == "rejected" || state == "skipped") && taken > 0 && r.more[at] == 0 && campaign != strconv.FormatInt(r.Alert, 10):
		r.violated("I3: campaign %s to p%d is called %s %s, and was handed over", campaign, who, state, reason)
	}
}

// Verify asks heed itself, and holds the accounts of the campaigns together. It may
// be called at any moment.
func (r *Referee) Verify(s *store.Store) {
	ctx := context.Background()
	report, err := s.Verify(ctx)
	if err != nil {
		r.violated("heed verify fails: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(report)) {
		if broken := report[name].Broken; len(broken) > 0 && !(name == "I1" && r.Jumped) && !(name == "I10" && r.Slept) {
			r.violated("%s: heed verify names %v", name, broken)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.Started)) {
		r.account(ctx, s, id)
	}
}

// account holds a campaign's figures together.
func (r *Referee) account(ctx context.Context, s *store.Store, id int64) {
	a, err := s.Account(ctx, id)
	if err != nil {
		return
	}
	sum := a.Accepted + a.Rejected + a.Deferred + a.Uncertain + a.InFlight + a.Waiting
	for _, n := range a.Skipped {
		sum += n
	}
	if sum != a.Audience || a.Waiting < 0 || !r.Erased && a.Audience != r.Crowd {
		r.violated("I3: the account of campaign %d is %+v", id, a)
	}
}
