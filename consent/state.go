package consent

import (
	"encoding/json"
	"maps"
	"time"
)

// Mark is the choice that counts for one scope, and what it rests on.
type Mark struct {
	Choice Choice `json:"c,omitempty"`
	At     int64  `json:"t,omitempty"` // received, µs since 1970
	Via    Via    `json:"v,omitempty"`
	Source string `json:"s,omitempty"`
	Unsure bool   `json:"u,omitempty"`  // a yes that could be anybody's
	Policy string `json:"pv,omitempty"` // the version that a yes was said under
}

// Time is when the choice was received.
func (m Mark) Time() time.Time { return time.UnixMicro(m.At).UTC() }

// State is what an address key's ledger entries add up to. Statuses hold the
// time at which they were set, in µs since 1970; 0 means not set.
type State struct {
	Marketing  Mark         `json:"m,omitzero"`
	Partner    Mark         `json:"p,omitzero"`
	Sharing    Mark         `json:"sh,omitzero"`
	Topics     map[int]Mark `json:"tp,omitempty"`
	Hold       int64        `json:"h,omitempty"`
	Restricted int64        `json:"r,omitempty"`
	Dead       int64        `json:"d,omitempty"`
	Strike     int64        `json:"st,omitempty"` // first "no such mailbox"
	Erased     int64        `json:"e,omitempty"`
	Suppressed int64        `json:"su,omitempty"`
	Pause      int64        `json:"pa,omitempty"` // until when marketing waits; it ends by itself
}

// StrikeGap is how far apart two "no such mailbox" answers must lie before an
// address counts as dead: one answer may be a mistake of an afternoon.
const StrikeGap = 24 * time.Hour

// Fold adds entries, in the order of the ledger, to the zero state.
func Fold(entries []Entry) State {
	var s State
	for _, e := range entries {
		s = s.With(e)
	}
	return s
}

// With gives the state after one more entry. Contradictions are ordered by
// receipt; the stricter wins a tie, and wins over a yes that could be anybody's.
// A yes that is not the person's own act never changes a no; this holds here,
// below every door, so that no import, API call or act of staff can forget it.
func (s State) With(e Entry) State {
	if topic, ok := e.Scope.Topic(); ok {
		s.Topics = maps.Clone(s.Topics)
		if s.Topics == nil {
			s.Topics = map[int]Mark{}
		}
		return s.withTopic(topic, e)
	}
	if until, ok := e.Scope.Pause(); ok {
		return s.withPause(until, e)
	}
	switch e.Scope {
	case ScopeMarketing:
		return s.withMarketing(e)
	case ScopePartner:
		return s.withPartner(e)
	case ScopeSharing:
		s.Sharing = s.choose(s.Sharing, e)
	case ScopeErased:
		return s.withErased(e)
	case ScopeStrike:
		return s.withStrike(e)
	case ScopeHold:
		s.Hold = status(s.Hold, e)
	case ScopeRestricted:
		s.Restricted = status(s.Restricted, e)
	case ScopeDead:
		s.Dead = status(s.Dead, e)
	case ScopeSuppressed:
		return s.withSuppressed(e)
	}
	return s
}

func (s State) withTopic(topic int, e Entry) State {
	before, known := s.Topics[topic]
	if !known && s.Marketing.Choice == Out {
		before = s.Marketing // a first yes to a topic must outweigh the no to everything
	}
	mark := s.choose(before, e)
	if mark == before && !known {
		return s // a yes that was refused leaves no trace of a choice
	}
	if mark.Choice == "" {
		delete(s.Topics, topic)
		return s
	}
	s.Topics[topic] = mark
	return s.afterYes(e, mark)
}

func (s State) withPartner(e Entry) State {
	before := s.Partner
	if before.Choice == "" && s.Marketing.Choice == Out {
		before = s.Marketing
	}
	mark := s.choose(before, e)
	if mark == before {
		return s
	}
	s.Partner = mark
	return s.afterYes(e, mark)
}

func (s State) withMarketing(e Entry) State {
	s.Marketing = s.choose(s.Marketing, e)
	if e.Choice != Out {
		return s.afterYes(e, s.Marketing)
	}
	topics := make(map[int]Mark, len(s.Topics))
	for id, mark := range s.Topics {
		topics[id] = s.choose(mark, e)
	}
	if len(topics) > 0 {
		s.Topics = topics
	}
	s.Partner = s.choose(s.Partner, e)
	return s
}

// choose gives what counts of the choice so far and a new one.
func (s State) choose(before Mark, e Entry) Mark {
	at := e.Received.UnixMicro()
	after := Mark{Choice: e.Choice, At: at, Via: e.Via, Source: e.Source, Unsure: e.Choice == In && e.doubtful()}
	if e.Choice == In {
		after.Policy = e.PolicyID
	}
	switch e.Choice {
	case Out:
		if before.Choice != In || before.Unsure || at >= before.At {
			return latest(before, after)
		}
	case In:
		refused := before.Choice == Out || s.Suppressed != 0 || s.Erased != 0
		if refused && !e.own() {
			return before
		}
		if before.Choice == In && before.Policy != e.PolicyID && !e.own() {
			return before // nobody but the person agrees to another version
		}
		if before.Choice == "" || at > before.At {
			return after
		}
	case Lift:
		if before.Choice == Out && e.own() && at > before.At {
			return Mark{}
		}
	}
	return before
}

// own tells whether an entry is the person's own act, and proven to be: of two
// wishes one of which could be anybody's, the stricter counts.
func (e Entry) own() bool {
	return e.Via.Own() && (e.Authenticated || e.Via == ViaConfirmed)
}

// latest keeps the time of the first no when the same is said again.
func latest(before, after Mark) Mark {
	if before.Choice == Out {
		before.At = max(before.At, after.At)
		return before
	}
	return after
}

// afterYes lifts what a person's own yes outweighs: a dead address, or having
// been erased. A no to anything else stays: a yes to one topic is no yes to all.
func (s State) afterYes(e Entry, mark Mark) State {
	if e.Choice != In || !e.own() || mark.At != e.Received.UnixMicro() {
		return s
	}
	s.Dead, s.Strike, s.Erased = 0, 0, 0
	return s
}

// withSuppressed is a no to all marketing whatever was said when: whoever keeps
// a do-not-contact list does not know, and the stricter wins.
func (s State) withSuppressed(e Entry) State {
	s.Suppressed = status(s.Suppressed, e)
	if e.Choice != Set {
		return s
	}
	no := func(m Mark) Mark {
		return Mark{Choice: Out, At: max(m.At, e.Received.UnixMicro()), Via: e.Via, Source: e.Source}
	}
	topics := make(map[int]Mark, len(s.Topics))
	for id, mark := range s.Topics {
		topics[id] = no(mark)
	}
	if len(topics) > 0 {
		s.Topics = topics
	}
	s.Marketing, s.Partner = no(s.Marketing), no(s.Partner)
	return s
}

// withErased forgets every yes: what is left says only "do not write".
func (s State) withErased(e Entry) State {
	if e.Choice == Lift {
		s.Erased = 0
		return s
	}
	return State{Erased: e.Received.UnixMicro(), Suppressed: s.Suppressed}
}

func (s State) withStrike(e Entry) State {
	at := e.Received.UnixMicro()
	switch {
	case e.Choice == Lift:
		s.Strike = 0
	case s.Strike == 0:
		s.Strike = at
	case time.Duration(at-s.Strike)*time.Microsecond >= StrikeGap:
		s.Dead = at
	}
	return s
}

// withPause lets a pause become longer on any way, since that is less mail. Only
// the person's own act ends it sooner.
func (s State) withPause(until time.Time, e Entry) State {
	end := until.UnixMicro()
	if e.Choice == Lift {
		end = 0
	}
	if end > s.Pause || e.own() {
		s.Pause = end
	}
	return s
}

// Paused tells whether marketing waits at a moment.
func (s State) Paused(at time.Time) bool { return s.Pause != 0 && at.UnixMicro() < s.Pause }

func status(before int64, e Entry) int64 {
	if e.Choice == Lift {
		return 0
	}
	if before != 0 {
		return before
	}
	return e.Received.UnixMicro()
}

// Encode writes the state as the store keeps it beside the address key. Equal
// states give equal texts: encoding/json sorts the keys of maps.
func (s State) Encode() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic("consent: a state is made of numbers and strings: " + err.Error())
	}
	return string(text)
}
