// Package web serves what people and mailbox providers open: one-click
// unsubscribe links, the page with a person's choices, confirmations, and the
// figures that operators watch.
//
// Nothing here needs JavaScript, a cookie or a login: the sealed link in the
// address is all that identifies the person, and the worst that it can do is to
// stop mail. A GET never changes anything, because link scanners and browsers
// fetch whatever they see.
package web

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heed/store"
	"heed/templates"
)

// Options says what is served, and to whom it speaks.
type Options struct {
	Store              *store.Store
	PublicURL          string // as it stands in mails; may have a path, which a proxy may strip or keep
	SenderName         string
	Language           string            // of pages where nothing else is known; empty: en
	Topics             map[string]string // ids of those that can be chosen, with what each brings in plain words; empty: all, without words
	UnsubscribeAddress string            // offered where a link fails; may be empty
	SignUp             SignUpForm
	About              store.About // who is responsible, who gets data, how long it is kept: told with a copy
	Ready              []Check
	Doors              Doors                // for programs
	Log                *slog.Logger         // nil: slog.Default()
	Registry           *prometheus.Registry // served at /metrics; nil: one of its own
	Metrics            *Metrics             // nil: made on Registry
	Now                func() time.Time     // nil: time.Now
}

// Server answers HTTP requests. It may be used from many goroutines.
type Server struct {
	o       Options
	prefix  string // path of PublicURL, without a slash at its end
	host    string // of PublicURL
	policy  string // Content-Security-Policy
	mux     *http.ServeMux
	metrics *Metrics
	api     *api

	announced announcement
	guesses   guesses
}

// New makes a server. It fails where PublicURL is no URL, or where metrics of
// the same name are registered already.
func New(o Options) (*Server, error) {
	public, err := url.Parse(o.PublicURL)
	if err != nil || public.Host == "" {
		return nil, fmt.Errorf("PUBLIC_URL %q is no address such as https://mail.example.com", o.PublicURL)
	}
	s := &Server{o: o, prefix: strings.TrimSuffix(path.Clean("/"+public.Path), "/"), host: public.Host, policy: policy(), metrics: o.Metrics}
	s.fillIn()
	if s.metrics == nil {
		if s.metrics, err = NewMetrics(s.o.Registry); err != nil {
			return nil, err
		}
	}
	if err := s.o.Registry.Register(newSentAfter(o.Store, s.o.Now)); err != nil {
		return nil, fmt.Errorf("registering the count of broken promises: %w", err)
	}
	s.api = newAPI(s.o)
	s.mux = s.routes()
	return s, nil
}

func (s *Server) fillIn() {
	if s.o.Log == nil {
		s.o.Log = slog.Default()
	}
	if s.o.Registry == nil {
		s.o.Registry = prometheus.NewRegistry()
	}
	if s.o.Now == nil {
		s.o.Now = time.Now
	}
}

// policy lets the one style sheet of the pages through and nothing else: no
// script, no image, no frame, and forms to this host only.
func policy() string {
	return "default-src 'none'; style-src " + templates.StyleHash() + "; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}

// Limits of a connection: nobody needs more than a small form, and a slow
// client must not hold a connection for long. An answer to an opt-out may take
// store.Patience, and the database its time before that.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 16 << 10
	goodbye           = 15 * time.Second // for requests that are under way at a shutdown
)

// Run serves on l until ctx ends, then lets requests that are under way finish.
// It closes l, and gives an error where serving or the shutdown failed.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: log.New(complaints{s.o.Log}, "", 0)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	s.o.Log.Info("web_listening", "on", l.Addr().String())
	select {
	case err := <-ended:
		return fmt.Errorf("serving on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	return s.stop(ctx, server, ended)
}

func (s *Server) stop(ctx context.Context, server *http.Server, ended <-chan error) error {
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	err := server.Shutdown(patience)
	if err != nil {
		err = errors.Join(fmt.Errorf("some requests did not end within %s: %w", goodbye, err), server.Close())
	}
	<-ended
	s.o.Log.Info("web_stopped")
	return err
}

// complaints turns what net/http has to say into a log event.
type complaints struct{ log *slog.Logger }

func (c complaints) Write(line []byte) (int, error) {
	c.log.Warn("web_connection", "cause", strings.TrimSpace(string(line)))
	return len(line), nil
}
