package worker

import (
	"maps"
	"slices"
	"strings"
)

// Limit bounds what goes to one provider, or to domains that belong together.
type Limit struct {
	Group       string   // google, microsoft, yahoo, apple …, or a name of one's own
	Domains     []string // of a group of one's own, or beside those that are known
	MX          []string // ends of the names of mail servers that belong to it
	Rate        float64  // messages a second over all workers; 0: no limit
	Connections int      // conversations with its messages at once, over all workers; 0: no limit
	WarmUp      []int    // messages a day, day after day; then no more limit
}

// provider is who runs the mail of many domains.
type provider struct{ domains, mx string }

// providers are those that most people use. Others are limited by naming their
// domains.
var providers = map[string]provider{
	"google": {"gmail.com googlemail.com google.com", "google.com googlemail.com"},
	"microsoft": {"outlook.com hotmail.com live.com msn.com passport.com windowslive.com hotmail.co.uk hotmail.fr hotmail.de hotmail.it hotmail.es hotmail.ca hotmail.com.br " +
		"hotmail.nl hotmail.be live.co.uk live.fr live.de live.it live.nl live.be live.ca live.com.au live.com.mx outlook.fr outlook.de outlook.es outlook.it outlook.com.br", "outlook.com mx.microsoft"},
	"yahoo": {"yahoo.com ymail.com rocketmail.com aol.com aim.com yahoo.co.uk yahoo.fr yahoo.de yahoo.it yahoo.es yahoo.ca yahoo.ie yahoo.in yahoo.co.in yahoo.com.br " +
		"yahoo.com.mx yahoo.com.ar yahoo.com.au yahoo.co.id yahoo.com.ph yahoo.com.sg yahoo.com.tr yahoo.gr yahoo.ro yahoo.se yahoo.dk yahoo.no yahoo.pl aol.de aol.fr aol.co.uk", "yahoodns.net"},
	"apple":   {"icloud.com me.com mac.com", "icloud.com apple.com"},
	"gmx":     {"gmx.de gmx.net gmx.at gmx.ch gmx.com gmx.fr gmx.co.uk web.de", "gmx.net web.de kundenserver.de"},
	"telekom": {"t-online.de magenta.de", "t-online.de"},
	"orange":  {"orange.fr wanadoo.fr", "orange.fr"},
	"comcast": {"comcast.net", "comcast.net"},
	"proton":  {"proton.me protonmail.com protonmail.ch pm.me", "protonmail.ch"},
}

// Groups lists the names that need no domains.
func Groups() []string {
	return slices.Sorted(maps.Keys(providers))
}

// Other is the name of all domains that belong to no group.
const Other = "other"

// groups finds the group of an address.
type groups struct {
	domains map[string]string // domain to group
	mx      map[string]string // end of a server's name to group
	servers *servers          // nil: only the domain's own name counts
}

func newGroups(limits []Limit) *groups {
	g := &groups{domains: map[string]string{}, mx: map[string]string{}}
	for name, one := range providers {
		g.add(name, strings.Fields(one.domains), strings.Fields(one.mx))
	}
	for _, one := range limits { // what was configured counts more
		g.add(one.Group, one.Domains, one.MX)
	}
	return g
}

func (g *groups) add(name string, domains, mx []string) {
	for _, domain := range domains {
		g.domains[strings.ToLower(domain)] = name
	}
	for _, end := range mx {
		g.mx[strings.ToLower(strings.Trim(end, "."))] = name
	}
}

// of names the group of an address, or Other.
func (g *groups) of(email string) string {
	domain := email[strings.LastIndexByte(email, '@')+1:]
	name, found := g.domains[domain]
	if !found {
		domain = strings.ToLower(domain)
		name, found = g.domains[domain]
	}
	switch {
	case found:
		return name
	case g.servers != nil:
		return g.servers.group(domain)
	}
	return Other
}

// byServer names the group whose servers a name belongs to, or Other.
func (g *groups) byServer(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for end := host; end != ""; {
		if name, found := g.mx[end]; found {
			return name
		}
		_, end, _ = strings.Cut(end, ".")
	}
	return Other
}

// names lists all groups, Other too.
func (g *groups) names() []string {
	names := []string{Other}
	for _, list := range []map[string]string{g.domains, g.mx} {
		names = slices.AppendSeq(names, maps.Values(list))
	}
	slices.Sort(names)
	return slices.Compact(names)
}
