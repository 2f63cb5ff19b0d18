package consent

import "slices"

// Return is what taking a no back brings: the yes that stood before it, or the
// state in which nothing was said.
type Return struct {
	Scope  Scope
	Choice Choice // In or Lift
	Policy string // the version that the yes was said under
}

// Restored tells what comes back when some rows are taken back: all that would
// stand had they never been written, and does not stand. A no that was given
// otherwise, before them or after, stands either way, and so stays.
func Restored(entries []Entry, taken map[int64]bool) []Return {
	now := Fold(entries)
	without := Fold(slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return taken[e.Seq] }))
	var back []Return
	for _, scope := range choiceScopes(now, without) {
		stands, would := now.mark(scope), without.mark(scope)
		switch {
		case stands.Choice != Out || would.Choice == Out:
		case would.Choice == In:
			back = append(back, Return{scope, In, would.Policy})
		default:
			back = append(back, Return{scope, Lift, ""})
		}
	}
	return back
}

// choiceScopes lists every scope that any of the states says something about,
// all marketing first.
func choiceScopes(states ...State) []Scope {
	all := []Scope{ScopeMarketing, ScopePartner, ScopeSharing}
	var topics []int
	for _, s := range states {
		for topic := range s.Topics {
			topics = append(topics, topic)
		}
	}
	slices.Sort(topics)
	for _, topic := range slices.Compact(topics) {
		all = append(all, TopicScope(topic))
	}
	return all
}

// Chose is the choice on record for a scope itself; empty where nothing was
// said.
func (s State) Chose(scope Scope) Choice { return s.mark(scope).Choice }

// mark is the choice on record for a scope itself.
func (s State) mark(scope Scope) Mark {
	if topic, ok := scope.Topic(); ok {
		return s.Topics[topic]
	}
	switch scope {
	case ScopeMarketing:
		return s.Marketing
	case ScopePartner:
		return s.Partner
	case ScopeSharing:
		return s.Sharing
	}
	return Mark{}
}

// Firm tells whether a no to the scope stands without those that are weaker than
// strength. What a stronger no says is worth a row of its own then, even if it
// changes nothing today: the weaker one may be taken back.
func Firm(entries []Entry, scope Scope, strength int) bool {
	return Fold(slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool {
		return e.Choice == Out && e.Strength() < strength
	})).Stopped(scope)
}

// Strength orders noes by how hard they are to take back: a mail that proves
// nothing, a mail that proves who wrote it, and everything else.
func (e Entry) Strength() int {
	switch {
	case e.Via == ViaMail && !e.Authenticated:
		return 0
	case e.Via == ViaMail:
		return 1
	}
	return 2
}

// Stopped tells whether the scope is stopped as far as it can be: a topic also
// by the no to all marketing that no yes to the topic outweighs.
func (s State) Stopped(scope Scope) bool { return s.mark(scope).Choice == Out }

// Conflict is a yes and a no that contradict each other without the later one
// simply counting: they came at the same moment, or one of them could be
// anybody's. The no counts until the person chooses.
type Conflict struct {
	Scope   Scope
	Yes, No Entry
}

// Conflicts lists them, all marketing first.
func Conflicts(entries []Entry) []Conflict {
	state := Fold(entries)
	var all []Conflict
	for _, scope := range choiceScopes(state) {
		if !state.Stopped(scope) {
			continue
		}
		yes, no, found := lastWords(entries, scope)
		tie := yes.Received.Equal(no.Received)
		if found && (tie || no.doubtful() || yes.doubtful() && yes.Received.After(no.Received)) {
			all = append(all, Conflict{scope, yes, no})
		}
	}
	return all
}

// lastWords gives the latest yes to a scope, and the firmest no since; where all
// noes are older, the latest of them.
func lastWords(entries []Entry, scope Scope) (yes, no Entry, found bool) {
	var noes []Entry
	for _, e := range entries {
		switch {
		case e.Scope == scope && e.Choice == In && !e.Received.Before(yes.Received):
			yes = e
		case e.Scope == scope && e.Choice == Lift:
			yes, noes = Entry{}, nil
		case e.Choice == Out && countsAgainst(e.Scope, scope):
			noes = append(noes, e)
		}
	}
	for _, e := range noes {
		since, firmer := !e.Received.Before(yes.Received), e.Strength() >= no.Strength()
		if older := no.Received.Before(yes.Received); older || since && firmer {
			no = e
		}
	}
	return yes, no, !yes.Received.IsZero() && !no.Received.IsZero()
}

// countsAgainst tells whether a no to one scope is a no to the other.
func countsAgainst(no, scope Scope) bool {
	return no == scope || no == ScopeMarketing && scope != ScopeSharing
}

// doubtful tells whether anybody could have said it: a mail or a form that
// proves nothing about who wrote it.
func (e Entry) doubtful() bool {
	return !e.Authenticated && (e.Via == ViaMail || e.Via == ViaPage)
}
