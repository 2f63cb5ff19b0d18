package worker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"heed/store"
)

// checks hold what was promised in the course of a seed.
type checks struct {
	keys                  map[string]int // whose key it is
	stops                 []*stop
	started               map[int64]bool
	copies                map[string]int // messages taken, by campaign and person
	more                  map[string]int // further copies that were asked for or declared
	ids                   map[string]string
	jumped, erased, moved bool
	wrong                 []string
}

// everybody stands for who in a stop of a whole campaign.
const everybody = -1

// stop is what was acknowledged: no more of this.
type stop struct {
	what     string
	who      int
	topic    int   // 0: all marketing
	campaign int64 // of a pause or cancel
	inFlight int   // as the answer said
	step     int
	open     map[string]bool // claims that were open then, and declared
	lifted   bool
}

func (w *world) violated(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.gate.note("VIOLATED %s", text)
	w.wrong = append(w.wrong, text)
}

// acknowledged notes an answer, and which claims it may have declared.
func (w *world) acknowledged(s stop) {
	if !w.turn("answer " + s.what) {
		return
	}
	s.step, s.open = w.gate.steps, map[string]bool{}
	if s.inFlight > 0 {
		for _, row := range w.rows(`SELECT campaign, address FROM claim`) {
			s.open[row[0]+"/"+row[1]] = true
		}
	}
	w.gate.note("acknowledged: %s, %d in flight", s.what, s.inFlight)
	w.stops = append(w.stops, &s)
}

func (w *world) lifted(campaign int64) {
	for _, s := range w.stops {
		if s.what == "pause" && s.campaign == campaign {
			s.lifted = true
		}
	}
}

// covers tells whether a stop is about a message.
func (s *stop) covers(campaign int64, who int) bool {
	switch {
	case s.lifted:
		return false
	case s.who == everybody:
		return s.campaign == campaign
	case campaign == alertID || s.who != who:
		return false
	}
	return s.topic == 0 || int64(s.topic) == campaign
}

// alertID is the alert among the campaigns; the two before are newsletters to
// the topics of the same numbers.
const alertID = 3

// handedOver is called at each message whose end reached the relay: I1, I2 and
// I11.
func (w *world) handedOver(m handed) {
	who, known := w.keys[m.key]
	if !known || m.campaign == 0 {
		return // a letter to one person
	}
	if m.campaign != alertID {
		w.endedAt = m.step
	}
	place := fmt.Sprintf("%d/%s", m.campaign, m.key)
	w.gate.note("handed over: %s to p%d, taken %v", place, who, m.taken)
	for _, s := range w.stops {
		if !s.covers(m.campaign, who) {
			continue
		}
		if !s.open[place] {
			w.violated("I1: a message of campaign %d to p%d was completed at step %d, after the %s was acknowledged at step %d with %d in flight", m.campaign, who, m.step, s.what, s.step, s.inFlight)
		}
		delete(s.open, place)
	}
	if !m.taken {
		return
	}
	w.countCopy(m, who)
}

func (w *world) countCopy(m handed, who int) {
	place := fmt.Sprintf("%d/p%d", m.campaign, who)
	w.copies[place]++
	allowed := 1 + w.more[place]
	if m.campaign == alertID {
		allowed++ // of unknown fate, once
	}
	if w.copies[place] > allowed {
		w.violated("I2: %s was handed over %d times, %d are allowed", place, w.copies[place], allowed)
	}
	if first := w.ids[place]; first != "" && first != m.messageID && !w.moved {
		w.violated("I11: %s has the Message-IDs %s and %s", place, first, m.messageID)
	}
	w.ids[place] = m.messageID
}

// mayRepeat notes that a person asks for another copy of what is uncertain: those
// who have one by now may get one more.
func (w *world) mayRepeat(campaign int64) {
	for who := range crowdSize {
		place := fmt.Sprintf("%d/p%d", campaign, who)
		w.more[place] = max(w.more[place], w.copies[place])
	}
}

func (w *world) rows(query string) [][]string {
	rows, err := w.place.peek.Rows(query)
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// stands tells in one line where everything stands; done when nobody has
// anything to do any more.
//
// A letter that a clock an hour ahead wrote to somebody who was erased meanwhile
// can be read by nobody any more, and its job is tried for ever.
func (w *world) stands() (line string, done bool) {
	jobs := `state <> 'done'`
	if w.jumped && w.erased {
		jobs += ` AND kind <> 'write'`
	}
	row := w.rows(`SELECT (SELECT count(*) FROM job WHERE ` + jobs + `), (SELECT count(*) FROM claim), (SELECT count(*) FROM retry),
		(SELECT count(*) FROM campaign WHERE state IN ('sending', 'paused'))`)[0]
	return "jobs, claims, retries, campaigns: " + strings.Join(row, ", "), strings.Join(row, "") == "0000"
}

// balance is checked at the end: I2, I3, I10 and I11 in the database, against
// the relay's record.
func (w *world) balance() {
	if line, done := w.stands(); !done {
		w.violated("I3: it does not come to an end: %s", line)
		return
	}
	count := map[string]int{}
	for _, row := range w.rows(`SELECT campaign, address, state, reason FROM delivery`) {
		count[row[0]]++
		w.compare(row[0], row[1], row[2], row[3])
	}
	for id := range w.started {
		if n := count[strconv.FormatInt(id, 10)]; n != crowdSize && !(w.erased && n < crowdSize) {
			if rows := w.rows(fmt.Sprintf(`SELECT state FROM campaign WHERE id = %d AND fanned = 1`, id)); len(rows) > 0 {
				w.violated("I3: campaign %d has %d outcomes", id, n)
			}
		}
	}
	w.verify()
}

func (w *world) compare(campaign, key, state, reason string) {
	who, known := w.keys[key]
	if !known {
		w.violated("I3: a delivery to nobody")
		return
	}
	taken := w.copies[fmt.Sprintf("%s/p%d", campaign, who)]
	switch {
	case state == "waiting" || state == "deferred":
		w.violated("I3: campaign %s to p%d ends as %s", campaign, who, state)
	case state == "accepted" && taken == 0:
		w.violated("I3: campaign %s to p%d is called accepted, and was never handed over", campaign, who)
	case (state == "rejected" || state == "skipped") && taken > 0 && w.more[fmt.Sprintf("%s/p%d", campaign, who)] == 0 && campaign != strconv.Itoa(alertID):
		w.violated("I3: campaign %s to p%d is called %s %s, and was handed over", campaign, who, state, reason)
	}
}

// verify asks heed itself.
func (w *world) verify() {
	ctx := context.Background()
	report, err := w.office.store.Verify(ctx)
	if err != nil {
		w.violated("heed verify fails: %v", err)
	}
	for name, one := range report {
		if len(one.Broken) > 0 && !(name == "I1" && w.jumped) {
			w.violated("%s: heed verify names %v", name, one.Broken)
		}
	}
	slices.Sort(w.wrong)
	for id := range w.started {
		w.account(ctx, w.office.store, id)
	}
}

// account holds a campaign's figures together.
func (w *world) account(ctx context.Context, s *store.Store, id int64) {
	a, err := s.Account(ctx, id)
	if err != nil {
		return
	}
	sum := a.Accepted + a.Rejected + a.Deferred + a.Uncertain + a.InFlight + a.Waiting
	for _, n := range a.Skipped {
		sum += n
	}
	if sum != a.Audience || a.Waiting < 0 || !w.erased && a.Audience != crowdSize {
		w.violated("I3: the account of campaign %d is %+v", id, a)
	}
}
