package web

import (
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"heed/templates"
)

// Handler gives all routes. No path is redirected to another: a POST that follows a
// redirect would arrive without its body, or not at all (RFC 8058 §3.1). What a
// browser posted is answered by sendOn.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plain := r.Clone(r.Context())
		plain.URL.Path, plain.URL.RawPath = s.plainPath(r.URL.Path), ""
		s.mux.ServeHTTP(w, plain)
	})
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/u/{token}", s.route("one_click", s.oneClick))
	mux.Handle("/p/{token}", s.route("choices", s.choices))
	mux.Handle("/p/{token}/stop", s.route("stop", s.stopEverything))
	mux.Handle("/p/{token}/link", s.route("link", s.linkOf))
	mux.Handle("/p/{token}/history", s.route("history", s.history))
	mux.Handle("/p/{token}/requests", s.route("requests", s.requests))
	mux.Handle("/q/{token}", s.route("status", s.status))
	mux.Handle("/w/{token}", s.route("web_version", s.webVersion))
	mux.Handle("/link", s.route("link", s.askLink))
	mux.Handle("/c/{token}", s.route("confirm", s.confirm))
	mux.Handle("/r/{token}", s.route("report", s.report))
	mux.Handle("/b/{token}", s.route("undo", s.undo))
	mux.Handle("/m/{token}", s.route("move", s.move))
	mux.Handle("/sandbox/", s.route("sandbox", s.sandboxPages))
	mux.Handle("/hooks/{kind}", s.route("provider", s.providerEvents))
	mux.Handle("/v1/", s.route("api", s.api.ServeHTTP))
	mux.Handle("/n/{token}", s.route("unused", s.unused))
	mux.Handle("/s", s.route("sign_up", s.signUp))
	mux.Handle("/s/{token}", s.route("sign_up_confirm", s.signUpConfirm))
	mux.Handle("/v", s.route("version", s.version))
	mux.Handle("/v/{version}", s.route("version", s.version))
	mux.Handle("/a/{token}", s.route("agree", s.agree))
	mux.Handle("/healthz", s.route("health", s.health))
	mux.Handle("/readyz", s.route("ready", s.ready))
	metrics := promhttp.HandlerFor(s.o.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	mux.Handle("/metrics", s.route("metrics", metrics.ServeHTTP))
	mux.Handle("/{$}", s.route("home", s.home))
	mux.Handle("/", s.route("none", s.noSuchLink))
	return mux
}

// plainPath takes away what proxies and mail programs do to a path: doubled
// and added slashes, and the path of PUBLIC_URL where the proxy kept it.
// ServeMux would answer such a path with a redirect.
func (s *Server) plainPath(p string) string {
	p = path.Clean("/" + p)
	if rest, found := strings.CutPrefix(p+"/", s.prefix+"/"); found && ours(rest) {
		return path.Clean("/" + rest)
	}
	return p
}

// ours tells whether a path without its first slash begins like a route. The
// path of PUBLIC_URL may itself be "/u".
func ours(rest string) bool {
	first, _, _ := strings.Cut(rest, "/")
	return slices.Contains([]string{"", "u", "p", "b", "c", "r", "m", "n", "s", "v", "a", "q", "w", "link", "v1", "sandbox", "hooks", "healthz", "readyz", "metrics"}, first)
}

// route puts around a handler what all have in common.
func (s *Server) route(name string, handle http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &recorder{ResponseWriter: w}
		defer func() {
			if cause := recover(); cause != nil {
				s.rescue(seen, r, name, cause)
			}
			s.metrics.requests.WithLabelValues(name, strconv.Itoa(max(seen.code, http.StatusOK))).Inc()
		}()
		s.guard(w.Header())
		handle(seen, r)
	})
}

// guard sets the headers of every answer. No cookie is ever set. The referrer
// policy is same-origin because under no-referrer browsers send forms with
// "Origin: null", which some proxies refuse.
func (s *Server) guard(h http.Header) {
	h.Set("Content-Security-Policy", s.policy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}

// rescue answers for a handler that panicked: never a false 200.
func (s *Server) rescue(w *recorder, r *http.Request, route string, cause any) {
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	s.o.Log.Error("web_panic", "route", route, "cause", cause, "stack", string(debug.Stack()))
	switch {
	case w.code != 0:
	case route == "api" || route == "provider":
		w.Header().Set("Retry-After", "30")
		writeProblem(w, problem(http.StatusServiceUnavailable, "unavailable", "this failed for a reason that lies here", "send the request again after the seconds of Retry-After, with the same Idempotency-Key"))
	default:
		s.tryAgain(w, r)
	}
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	code int
}

// WriteHeader notes the status.
func (w *recorder) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write notes the status that a body without one means.
func (w *recorder) Write(body []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(body)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// allowed answers what is neither a reading nor a posting request, and tells
// whether the handler shall go on.
func (s *Server) allowed(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	w.Header().Set("Allow", strings.Join(append(methods, http.MethodOptions), ", "))
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return false
	}
	s.notice(w, r, http.StatusMethodNotAllowed, templates.NoticeData{Kind: templates.NoticeReadOnly})
	return false
}
