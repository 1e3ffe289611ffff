/* The search takes a leading dash for "not"; a reader who asks for --n-best means the option. */
document.addEventListener("input", event => {
  if (event.target.matches("[data-md-component=search-query]")) event.target.value = event.target.value.replace(/^-+/, "");
}, true);
