// Log-in and one-time entrance. A ticket travels behind the "#", is taken out of the address bar at once, and is sent
// in a form's body: it never stands in a server's log or in the browser's history.
(() => {
  const page = document.body.dataset.page;
  if (page === "enter") {
    const ticket = window.location.hash.slice(1);
    window.history.replaceState(null, "", window.location.pathname);
    document.getElementById("ticket").value = ticket;
    document.getElementById("enter").submit();
  } else if (page === "login" && !document.getElementById("problem")) {
    // A link from another program arrives without the same-site cookie although the person is logged in.
    fetch("/console/session", { credentials: "same-origin" })
      .then((answer) => answer.status === 204 && window.location.replace("/"))
      .catch(() => undefined);
  }
})();
