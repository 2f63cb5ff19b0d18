package web

import (
	"net/http"
	"sync"
	"time"

	"heed/consent"
)

// A link is sealed by 128 bits, so that guessing one is hopeless at any speed. Who
// tries all the same is counted by network, and gets no more from its links than
// the one thing that must never be refused: an opt-out.
const (
	badLinks    = 60 // that one network may have within guessWindow
	guessWindow = time.Minute
	maxNetworks = 10_000 // that are counted within guessWindow
)

// guesses counts, by network, the links of this minute that were none.
type guesses struct {
	mu    sync.Mutex
	began time.Time
	of    map[string]int
}

func (g *guesses) add(network string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn(now)
	if _, known := g.of[network]; known || len(g.of) < maxNetworks {
		g.of[network]++
	}
}

func (g *guesses) tooMany(network string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn(now)
	return g.of[network] > badLinks
}

func (g *guesses) turn(now time.Time) {
	if g.of == nil || now.Sub(g.began) >= guessWindow || now.Before(g.began) {
		g.began, g.of = now, map[string]int{}
	}
}

// badLink answers a link that is cut, changed, not ours or made for another page.
func (s *Server) badLink(w http.ResponseWriter, r *http.Request) {
	if network := s.guesser(r); network != "" {
		s.guesses.add(network, s.o.Now())
	}
	s.noSuchLink(w, r)
}

// guessed tells whether a whole link comes from where too many were guessed, and
// answers it then. The link of an opt-out counts from anywhere and at any time.
func (s *Server) guessed(w http.ResponseWriter, r *http.Request, link consent.Link) bool {
	if link.Purpose == consent.PurposeOptOut {
		return false
	}
	network := s.guesser(r)
	if network == "" || !s.guesses.tooMany(network, s.o.Now()) {
		return false
	}
	s.tooMany(w, r, guessWindow)
	return true
}

// guesser is the network that a request comes from; empty where that is our own,
// such as a proxy that does not say for whom it asks: that would be everybody.
func (s *Server) guesser(r *http.Request) string {
	from := sender(r)
	if !from.IsValid() || ownNetwork(from) {
		return ""
	}
	return s.o.Store.Network(from)
}
