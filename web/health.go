package web

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Check is something that must answer before this process can do its work.
type Check struct {
	Name  string // shown to whoever asks /readyz: no secret, no address
	Probe func(context.Context) error
}

// probeWithin bounds one round of checks.
const probeWithin = 2 * time.Second

// health tells that the process lives. It asks nobody else, so that a database
// that is away does not get the process restarted.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if s.allowed(w, r, http.MethodGet, http.MethodHead) {
		plainText(w, http.StatusOK, "ok\n")
	}
}

// ready tells whether requests can be answered now, and by name what is away.
// The causes go to the log: they may hold what strangers need not know.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	away := s.probe(r.Context())
	if len(away) > 0 {
		plainText(w, http.StatusServiceUnavailable, "not ready: "+strings.Join(away, ", ")+"\n")
		return
	}
	plainText(w, http.StatusOK, "ok\n")
}

// probe runs all checks at once and names those that failed, in their order.
func (s *Server) probe(ctx context.Context) (away []string) {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	checks := append([]Check{{Name: "database", Probe: s.o.Store.Ping}}, s.o.Ready...)
	failed := make([]error, len(checks))
	var all sync.WaitGroup
	for i, one := range checks {
		all.Go(func() { failed[i] = one.Probe(ctx) })
	}
	all.Wait()
	for i, err := range failed {
		if err != nil {
			s.o.Log.Warn("not_ready", "check", checks[i].Name, "cause", err)
			away = append(away, checks[i].Name)
		}
	}
	return away
}
